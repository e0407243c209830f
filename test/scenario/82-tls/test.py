"""TLS that nobody can strip: MTA-STS, REQUIRETLS, TLS-Required, and the reports about all that."""
import contextlib
import email
import email.policy
import gzip
import http.server
import json
import os
import shutil
import smtplib
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from outbound import SINK, Names, Sink, World, bounce, empty_queue, free_port, inbox
from server import PATIENCE, run_cases, sanitized

POLICY, BAD, WRONG, OLD, PLAIN = "127.0.0.6", "127.0.0.7", "127.0.0.8", "127.0.0.11", "127.0.0.12"
HOSTS = {"mx.good": SINK, "mx.bad": BAD, "mx.wrong": WRONG, "mx.old": OLD, "mx.plain": PLAIN}
# domain: its MX hosts, its policy (None: no record; "": a record, and no policy)
DOMAINS = {
    "good": (["mx.good"], "enforce"),
    "bad": (["mx.bad"], "enforce"),
    "wrong": (["mx.wrong"], "enforce"),
    "old": (["mx.old"], "enforce"),
    "plain": (["mx.plain"], "enforce"),
    "second": (["mx.bad", "mx.good"], "enforce"),  # its policy names mx.good alone
    "unnamed": (["mx.good"], "enforce"),  # its policy names others
    "testing": (["mx.bad"], "testing"),
    "off": (["mx.bad"], "none"),
    "free": (["mx.bad"], None),
    "moved": (["mx.bad"], ""),
    "large": (["mx.bad"], ""),
    "html": (["mx.bad"], ""),
    "stranger": (["mx.bad"], "enforce"),  # its policy host has a certificate of its own making
    "post": (["mx.good"], "enforce"),
}
MORE = """auth = { plaintext_without_tls = true }
dns = { servers = ["127.0.0.1:%%d"], trust_anchor = "none" }
outbound = { port = %%d, allow_private_addresses = true, policy_port = %d, authorities = "%s" }
"""


def zone(ids=1):
    lines = ["$ORIGIN test.", "$TTL 1", "@ SOA ns admin 1 3600 600 86400 1", "@ NS ns", "ns A 127.0.0.1",
             "rpt MX 10 mx.bad", "mta-sts.rpt A 127.0.0.9"]
    for host, address in HOSTS.items():
        lines.append("%s A %s" % (host, address))
    for name, (hosts, policy) in DOMAINS.items():
        for i, host in enumerate(hosts):
            lines.append("%s MX %d %s" % (name, 10 + i, host))
        rua = "https://mta-sts.post.test:%d/reports" % policies.port if name == "post" else "mailto:reports@rpt.test"
        lines.append('_smtp._tls.%s TXT "v=TLSRPTv1; rua=%s"' % (name, rua))
        if policy is not None:
            lines.append("mta-sts.%s A %s" % (name, POLICY))
            lines.append('_mta-sts.%s TXT "v=STSv1;" " id=%d%s;"' % (name, ids, name))
    return "\n".join(lines) + "\n"


class Authority:
    """Signs, with openssl."""

    def __init__(self, name):
        self.key, self.cert = os.path.join(folder, name + ".key"), os.path.join(folder, name + ".pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.key, "-out", self.cert, "-days", "30", "-subj", "/CN=" + name, "-addext",
                        "basicConstraints=critical,CA:TRUE"], check=True, capture_output=True)

    def context(self, *names, days="30"):
        """Of a server with these names."""
        base = os.path.join(folder, names[0] + days)
        key, cert, request = base + ".key", base + ".pem", base + ".csr"
        subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
                        "-out", request, "-subj", "/CN=x", "-addext",
                        "subjectAltName=" + ",".join("DNS:" + n for n in names)], check=True, capture_output=True)
        subprocess.run(["openssl", "x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self.key, "-set_serial", "7",
                        "-days", days, "-copy_extensions", "copyall", "-out", cert], check=True, capture_output=True)
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(cert, key)
        return c


class Policies:
    """What mta-sts.DOMAIN serves; reports that are posted are kept."""

    def __init__(self):
        self.port = free_port(address=POLICY)
        self.asked, self.reports = [], []
        self.server = None

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.get(self)

            def do_POST(self):
                outer.reports.append((self.headers["Content-Type"], self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(201)
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                """A client that refuses the certificate is what some tests want."""

        self.server = Server((POLICY, self.port), Handler)
        names = ["mta-sts.%s.test" % n for n in DOMAINS if n != "stranger"]
        main, other = ours.context(*names), strangers.context("mta-sts.stranger.test")

        def choose(connection, name, context):
            if name == "mta-sts.stranger.test":
                connection.context = other
        main.sni_callback = choose
        self.server.socket = main.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def get(self, h):
        name = h.headers["Host"].split(".")[1]
        self.asked.append(name)
        hosts, mode = DOMAINS[name]
        named = {"second": ["mx.good"], "unnamed": ["mx.other", "*.mx.good"]}.get(name, hosts)
        text = "version: STSv1\r\nmode: %s\r\n%smax_age: 604800\r\n" % (
            mode, "".join("mx: %s.test\r\n" % m for m in named))
        status, kind = 200, "text/plain"
        if name == "moved":
            status = 301
        elif name == "large":
            text += "x: y\r\n" * 12000
        elif name == "html":
            kind = "text/html"
        h.send_response(status)
        if name == "moved":
            h.send_header("Location", "https://mta-sts.good.test:%d/.well-known/mta-sts.txt" % self.port)
        h.send_header("Content-Type", kind)
        if name == "good":  # in chunks
            h.send_header("Transfer-Encoding", "chunked")
            h.end_headers()
            for line in text.splitlines(True):
                h.wfile.write(b"%x\r\n%s\r\n" % (len(line), line.encode()))
            h.wfile.write(b"0\r\n\r\n")
        else:
            h.send_header("Content-Length", str(len(text)))
            h.end_headers()
            with contextlib.suppress(OSError):
                h.wfile.write(text.encode())

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
        self.server = None


class Sinks:
    """One for each kind of certificate."""

    def __init__(self, port, offers=("STARTTLS", "PIPELINING", "REQUIRETLS"), only=None):
        contexts = {"mx.good": lambda: ours.context("mx.good.test"), "mx.bad": lambda: strangers.context("mx.bad.test"),
                    "mx.wrong": lambda: ours.context("mx.elsewhere.test"),
                    "mx.old": lambda: ours.context("mx.old.test", days="-1"), "mx.plain": lambda: None}
        self.all = {}
        for host in only or HOSTS:
            self.all[host] = Sink(port, offers=offers if host != "mx.plain" else offers[1:], address=HOSTS[host],
                                  tls=contexts[host]())

    def __getitem__(self, host):
        return self.all["mx." + host]

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for sink in self.all.values():
            sink.close()


def world(more=None):
    return World(names, more or MORE % (policies.port, ours.cert))


def metrics(w):
    with urllib.request.urlopen("http://127.0.0.1:%d/metrics" % w.a.ports["metrics"], timeout=PATIENCE) as r:
        lines = r.read().decode().splitlines()
    return {k: float(v) for k, v in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))}


def waits(w, *words):
    """The one entry of the queue has been tried, and shows why it is still there."""
    until = time.monotonic() + PATIENCE
    while True:
        rows = w.a.json("queue", "list")
        assert len(rows) == 1, rows
        if rows[0]["last_reply"]:
            break
        assert time.monotonic() < until, w.a.log()[-2000:]
        time.sleep(0.02)
    shown = w.a.cli("queue", "show", rows[0]["id"]).stdout
    for word in words:
        assert word in shown, (word, shown)
    w.a.cli("queue", "remove", rows[0]["id"])


def a_good_certificate():
    with world() as w, Sinks(w.port) as sinks:
        w.send("x@good.test")
        empty_queue(w.a)
        assert sinks["good"].encrypted == [True], sinks["good"].commands
        assert "policy fetched" in w.a.log() and "mode=enforce" in w.a.log(), w.a.log()[-2000:]
        assert metrics(w)['barid_delivery_sessions_total{tls="verified"}'] == 1
        w.send("y@good.test")
        empty_queue(w.a)
        assert w.a.log().count("policy fetched") == 1
        assert w.a.cli("verify").returncode == 0


def what_enforce_refuses():
    """Another authority, another name, expired, no STARTTLS: nothing leaves, in plain text least of all."""
    with world() as w, Sinks(w.port) as sinks:
        for domain, word in (("bad", "certificate"), ("wrong", "mismatch"), ("old", "expired"), ("plain", "STARTTLS"),
                             ("unnamed", "does not name this host")):
            w.send("x@%s.test" % domain)
            waits(w, word)
        for sink in sinks.all.values():
            assert not sink.mails and not [c for c in sink.commands if c.startswith("MAIL")], sink.commands
        assert not inbox(w.a, "ann@a.test", 0)
        assert metrics(w)['barid_delivery_tls_failures_total{policy="sts"}'] == 5


def starttls_that_breaks():
    """A man in the middle: refused, garbage in place of a handshake, plain bytes behind the go-ahead."""
    with world() as w:
        for replies in ({"STARTTLS": "454 4.7.0 not now"}, {"TLS": "hello"}, {"STARTTLS": b"220 go\r\n250 hello\r\n"},
                        {"STARTTLS": None}):
            with contextlib.closing(Sink(w.port, replies, offers=("STARTTLS", "PIPELINING"),
                                         tls=ours.context("mx.good.test"))) as sink:
                w.send("x@good.test")
                waits(w, "TLS")
                assert not sink.mails and not [c for c in sink.commands if c.startswith("MAIL")], sink.commands


def the_next_host():
    with world() as w, Sinks(w.port) as sinks:
        w.send("x@second.test")
        empty_queue(w.a)
        assert sinks["good"].encrypted == [True] and not sinks["bad"].connections


def modes_that_let_pass():
    """Testing is counted; none, no policy, and what is no policy are not asked about certificates."""
    with world() as w, Sinks(w.port) as sinks:
        for i, domain in enumerate(("testing", "off", "free", "moved", "large", "html", "stranger")):
            w.send("x@%s.test" % domain)
            empty_queue(w.a)
            assert sinks["bad"].encrypted == [True] * (i + 1), (domain, sinks["bad"].commands)
        assert metrics(w)['barid_delivery_tls_failures_total{policy="sts"}'] == 1
        assert metrics(w)['barid_delivery_tls_failures_total{policy="none"}'] == 4  # policies that could not be had
        assert w.a.log().count('event="policy not fetched"') == 4, w.a.log()
        assert policies.asked.count("moved") == 1


def a_policy_that_is_kept():
    """The policy host is gone, the record has changed, the server was started anew: the policy stays."""
    with world() as w:
        with Sinks(w.port, only=["mx.good"]):
            w.send("x@good.test")
            empty_queue(w.a)
        policies.stop()
        names.stop()
        names.write("test", zone(ids=2))
        names.start()
        try:
            assert w.a.stop() == 0
            w.a.start()
            bad = Sink(w.port, offers=("STARTTLS", "PIPELINING"), tls=strangers.context("mx.good.test"))
            w.send("x@good.test")
            waits(w, "certificate")
            assert not bad.mails and 'event="policy not fetched"' in w.a.log(), w.a.log()[-2000:]
            bad.close()
            plain = Sink(w.port)
            w.send("x@good.test")
            waits(w, "STARTTLS")
            assert not plain.mails
            plain.close()
        finally:
            names.stop()
            names.write("test", zone())
            names.start()
            policies.start()


def no_authorities():
    with world(MORE % (policies.port, "/nonexistent")) as w, Sinks(w.port) as sinks:
        assert "no certificate authorities" in w.a.log()
        w.send("x@good.test")  # no policy can be had, and none is kept
        empty_queue(w.a)
        assert sinks["good"].encrypted == [True]
        w.a.stop()
        w.a.write_config(open(w.a.conf).read().replace("/nonexistent", ours.cert))
        w.a.start()
        w.send("x@good.test")
        empty_queue(w.a)
        w.a.write_config(open(w.a.conf).read().replace(ours.cert, "/nonexistent"))
        w.a.cli("reload")
        w.send("x@good.test")
        waits(w, "outbound.authorities")
        assert len(sinks["good"].mails) == 2


def takes_no_wishes(w):
    """May a writer ask for more or less than the domain does?"""
    with smtplib.SMTP("127.0.0.1", w.a.ports["submission"], timeout=PATIENCE) as smtp:
        smtp.starttls()
        smtp.ehlo()
        return None if smtp.has_extn("requiretls") else "submission does not offer REQUIRETLS"


def required_and_offered():
    with world() as w, Sinks(w.port) as sinks:
        if takes_no_wishes(w):
            return takes_no_wishes(w)
        w.send("x@good.test", options=["REQUIRETLS"])
        empty_queue(w.a)
        envelope, _ = sinks["good"].mails[0]
        assert "REQUIRETLS" in envelope[0].split(), envelope
    return None


def required_and_not_to_be_had():
    """RFC 8689 section 4.2.1: back at once, with the code that says why."""
    for domain, offers, status in (("good", ("STARTTLS", "PIPELINING"), "5.7.30"),
                                   ("testing", ("STARTTLS", "REQUIRETLS"), "5.7.10"),
                                   ("free", ("STARTTLS", "REQUIRETLS"), "5.7.10"),
                                   ("plain", ("STARTTLS", "REQUIRETLS"), "5.7.10")):
        with world() as w, Sinks(w.port, offers=offers) as sinks:
            if takes_no_wishes(w):
                return takes_no_wishes(w)
            w.send("x@%s.test" % domain, options=["REQUIRETLS"])
            bounce(w.a, status, "x@%s.test" % domain)
            assert not any(s.mails for s in sinks.all.values())
    return None


def optional():
    """TLS-Required: No goes past enforce, also when others of the domain wait (RFC 8689 section 4.2.2)."""
    with world() as w, Sinks(w.port) as sinks:
        if takes_no_wishes(w):
            return takes_no_wishes(w)
        w.send("x@bad.test", subject="waits")
        w.a.wait_log("event=deferred")
        w.send("x@bad.test", subject="goes\r\nTLS-Required: No")
        until = time.monotonic() + PATIENCE
        while not sinks["bad"].mails and time.monotonic() < until:
            time.sleep(0.02)
        assert [email.message_from_bytes(b)["Subject"] for _, b in sinks["bad"].mails] == ["goes"]
        assert sinks["bad"].encrypted == [True]
        w.send("x@plain.test", subject="goes\r\nTLS-Required: No")
        w.a.wait_log("event=delivered", 2)
        assert sinks["plain"].encrypted == [False]
        assert len(w.a.json("queue", "list")) == 1
    return None


def reports():
    """What one day counted is told in the hours behind it, by mail and over HTTPS."""
    shim = os.path.join(folder, "wall.so")
    here = os.path.dirname(os.path.abspath(__file__))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", shim, os.path.join(here, "wall.c")], check=True)
    left = 86400 - time.time() % 86400
    if left < 120:  # all of it is of one day
        time.sleep(left)
    with world() as w, Sinks(w.port) as sinks:
        for recipient in ("x@good.test", "y@good.test", "x@post.test"):
            w.send(recipient)
            empty_queue(w.a)
        for i in range(2):
            w.send("x@bad.test")
            waits(w, "certificate")
        assert w.a.stop() == 0
        sinks["bad"].mails.clear()
        options = w.a.env.get("ASAN_OPTIONS", "")
        w.a.env.update(LD_PRELOAD=shim, WALL_OFFSET=str(30 * 3600),
                       ASAN_OPTIONS=options + ":verify_asan_link_order=0" if sanitized() else options)
        w.a.start()
        w.a.wait_log('event="tls report"', 3)
        until = time.monotonic() + PATIENCE
        while len(sinks["bad"].mails) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        by_domain = {}
        for envelope, body in sinks["bad"].mails:
            assert envelope[0].startswith("MAIL FROM:<>"), envelope
            mail = email.message_from_bytes(body, policy=email.policy.default)
            assert mail["TLS-Report-Submitter"] == "mx.a.test" and mail["TLS-Required"] == "No", body
            assert mail.get_param("report-type") == "tlsrpt"
            part = list(mail.iter_parts())[1]
            assert part.get_content_type() == "application/tlsrpt+gzip"
            by_domain[mail["TLS-Report-Domain"]] = json.loads(gzip.decompress(part.get_content()))
        assert set(by_domain) == {"good.test", "bad.test"}, by_domain
        good, bad = by_domain["good.test"]["policies"], by_domain["bad.test"]["policies"]
        assert len(good) == len(bad) == 1, (good, bad)
        assert good[0]["policy"]["policy-type"] == "sts"
        assert good[0]["policy"]["mx-host"] == ["mx.good.test"]
        assert "mode: enforce" in good[0]["policy"]["policy-string"]
        sessions = sinks["good"].connections - 1  # one for post.test; two messages may share one
        assert sessions and good[0]["summary"] == {"total-successful-session-count": sessions,
                                                   "total-failure-session-count": 0}, good
        assert bad[0]["summary"] == {"total-successful-session-count": 0, "total-failure-session-count": 2}, bad
        details = bad[0]["failure-details"]
        assert len(details) == 1 and details[0]["result-type"] == "certificate-not-trusted", details
        assert details[0]["failed-session-count"] == 2 and details[0]["receiving-ip"] == BAD
        kind, posted = policies.reports[0]
        assert kind == "application/tlsrpt+gzip" and len(policies.reports) == 1
        posted = json.loads(gzip.decompress(posted))
        assert posted["policies"][0]["policy"]["policy-domain"] == "post.test"
        assert posted["policies"][0]["summary"]["total-successful-session-count"] == 1
        assert posted["date-range"]["start-datetime"].endswith("T00:00:00Z")
        empty_queue(w.a)
        assert w.a.stop() == 0  # what was told is gone, and reports are not reported about
        w.a.env["WALL_OFFSET"] = str(60 * 3600)
        w.a.start()
        assert w.a.cli("verify").returncode == 0
        assert "tls report" not in w.a.log()


if not shutil.which("nsd") or sys.platform != "linux":
    print("skip TLS that nobody can strip: nsd is not installed")
    sys.exit(0)
folder = tempfile.mkdtemp(prefix="barid-tls-")
os.chmod(folder, 0o755)
ours, strangers = Authority("ours"), Authority("strangers")
policies = Policies().start()
names = Names(zone())
try:
    code = run_cases([a_good_certificate, what_enforce_refuses, starttls_that_breaks, the_next_host, modes_that_let_pass,
                      a_policy_that_is_kept, no_authorities, required_and_offered, required_and_not_to_be_had, optional,
                      reports])
finally:
    names.close()
    policies.stop()
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(code)
