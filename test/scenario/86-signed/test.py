"""Signed zones: mail between servers of ours and Postfix over TLS that the zone vouches for, and what is done when it does not hold."""
import email
import os
import re
import shutil
import smtplib
import subprocess
import sys
import tempfile
import time

from outbound import A, B, POST, SINK, Certificate, Names, Postfix, Sink, World, empty_queue, inbox
from ports import free_port
from server import PATIENCE, run_cases

TLS = ("PIPELINING", "8BITMIME", "STARTTLS")
PLAIN = ("PIPELINING", "8BITMIME")
MORE = """tls = { certificate = "%(cert)s", key = "%(key)s" }
auth = { plaintext_without_tls = true }
dns = { servers = ["127.0.0.1:%%d"], trust_anchor = "%(anchor)s" }
outbound = { port = %%d, allow_private_addresses = true }
"""
HEAD = """$ORIGIN %s.
$TTL 60
@ SOA ns.test. admin.test. 1 3600 600 86400 60
@ NS ns.test.
"""


class Signer:
    """Keys of zones, made here, and zones signed with them."""

    def __init__(self, folder):
        self.folder, self.keys = folder, {}

    def run(self, *command):
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def key(self, zone):
        """The DS record of the zone's one key."""
        if zone not in self.keys:
            self.keys[zone] = self.run("ldns-keygen", "-a", "ECDSAP256SHA256", "-k", zone)
        with open(os.path.join(self.folder, self.keys[zone] + ".ds")) as f:
            return f.read()

    def sign(self, zone, text, *options):
        self.key(zone)
        with open(os.path.join(self.folder, zone), "w") as f:
            f.write(HEAD % zone + text)
        self.run("ldns-signzone", *options, "-f", zone + ".signed", zone, self.keys[zone])
        with open(os.path.join(self.folder, zone + ".signed")) as f:
            return f.read()


def breaks(text, owner, kind, was, becomes):
    """The signed zone with a record that is not what was signed."""
    changed, n = re.subn(r"(?m)^(%s\.\s.*\sIN\s%s\s.*)%s" % (re.escape(owner), kind, was), r"\g<1>" + becomes, text)
    assert n == 1, (owner, kind, n)
    return changed


class Case:
    """A domain of the sink, by its records; `later`: the code and words of why it waits, None: it goes at once."""

    def __init__(self, domain, records="", later=None, encrypted=True, offers=TLS, certificate=None, words=""):
        self.domain, self.records, self.later, self.encrypted = domain, records, later, encrypted
        self.offers, self.certificate, self.words = offers, certificate, words


class Lab:
    """All zones, certificates and domains."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="barid-signed-")
        os.chmod(self.folder, 0o755)
        self.port = free_port(address=A)
        self.signer = Signer(self.folder)
        make = lambda name, **options: Certificate(self.folder, name, **options)  # noqa: E731
        self.good, self.other = make("mx.test", label="good"), make("mx.test", label="other")
        self.authority = make("Authority", authority=True, label="authority")
        self.stranger = make("mx.stranger.test", by=self.authority, label="stranger")
        self.expired = make("mx.expired.test", expired=True, label="expired")
        self.of = {n: make("mx.%s.test" % n, by=self.authority) for n in ("a", "b", "post", "ta", "tacert", "taname", "aliasta")}
        self.cases = self.make_cases()
        self.address = {c.domain: "127.0.3.%d" % (i + 1) for i, c in enumerate(self.cases)}
        self.anchor = os.path.join(self.folder, "anchor")
        with open(self.anchor, "w") as f:
            f.write(self.signer.key("test"))
        self.whole, self.broken = self.zones(False), self.zones(True)

    def tlsa(self, name, rdata):
        return "_%d._tcp.%s TLSA %s\n" % (self.port, name, rdata)

    def make_cases(self):
        ee, ta = self.good.tlsa(3), self.authority.tlsa(2)
        wrong = self.other.tlsa(3)

        def own(domain, rdata, *more, **options):
            options.setdefault("certificate", self.good)
            return Case(domain, "".join(self.tlsa("mx." + domain, r) for r in (rdata, *more)), **options)
        return [
            own("ee", ee),
            own("eecert", self.good.tlsa(3, 0)),
            own("rollover", wrong, ee),
            own("expiredcert", self.expired.tlsa(3), certificate=self.expired),
            own("ta", ta, certificate=self.of["ta"]),
            own("tacert", self.authority.tlsa(2, 0), certificate=self.of["tacert"]),
            own("unusable", self.other.tlsa(1), certificate=self.other),
            Case("notlsa", offers=PLAIN, encrypted=False),
            Case("notlsatls", certificate=self.other),
            Case("behind", certificate=self.of["aliasta"]),
            own("mismatch", wrong, later="certificate"),
            own("taname", ta, later="certificate", certificate=self.stranger),
            own("nostarttls", ee, later="STARTTLS", offers=PLAIN),
            own("unusableplain", self.other.tlsa(0), later="STARTTLS", offers=PLAIN),
            own("badtlsa", ee, later="TLSA"),
            Case("badmx", later="DNSSEC", certificate=self.good),
            Case("badaddress", later="signatures", certificate=self.good),
        ]

    def zones(self, broken):
        plain = HEAD % "plain.test" + "@ MX 10 mx\nmx A 127.0.3.101\n" + self.tlsa("mx", self.other.tlsa(3))
        old = ("-i", "20200101", "-e", "20200201") if broken else ()
        stale = self.signer.sign("stale.test", "@ MX 10 mx\nmx A 127.0.3.102\n", *old)
        text = "ns A 127.0.0.1\nplain NS ns\nstale NS ns\n" + self.signer.key("stale.test")
        for n, (address, more) in {"a": (A, ""), "b": (B, "mx.b AAAA ::1\n"), "post": (POST, "")}.items():
            text += "%s MX 10 mx.%s\nmx.%s A %s\n%s" % (n, n, n, address, more)
        text += self.tlsa("mx.a", self.of["a"].tlsa(3)) + self.tlsa("mx.b", self.of["b"].tlsa(3))
        text += self.tlsa("mx.post", self.authority.tlsa(2))
        for c in self.cases:
            text += "%s MX 10 mx.%s\nmx.%s A %s\n%s" % (c.domain, c.domain, c.domain, self.address[c.domain], c.records)
        text += self.aliases()
        signed = self.signer.sign("test", text)
        if broken:
            signed = breaks(signed, "badmx.test", "MX", "10", "20")
            signed = breaks(signed, "mx.badaddress.test", "A", r"127\.0\.3", "127.0.4")
            signed = breaks(signed, r"_%d._tcp.mx.badtlsa.test" % self.port, "TLSA", "1 1", "1 2")
        return {"test": signed, "stale.test": stale, "plain.test": plain}

    def aliases(self):
        """MX hosts that are aliases: of a signed name with records of its own, without, and of an unsigned one; a host
        of an unsigned zone; two hosts, of which the better one is not who it should be."""
        text = "toalias MX 10 alias1\nalias1 CNAME mx.ee\ntobad MX 10 alias3\nalias3 CNAME mx.mismatch\n"
        text += "aliasta MX 10 mx.aliasta\nmx.aliasta CNAME mx.behind\n" + self.tlsa("mx.aliasta", self.authority.tlsa(2))
        text += "outside MX 10 alias2\nalias2 CNAME mx.plain\n" + self.tlsa("alias2", self.good.tlsa(3))
        text += "unsignedhost MX 10 mx.plain\n"
        return text + "second MX 10 mx.mismatch\nsecond MX 20 mx.ee\n"

    def more(self, name):
        c = self.of[name]
        return MORE % dict(cert=c.chain, key=c.key, anchor=self.anchor)

    def sink(self, domain, port):
        c = next(c for c in self.cases if c.domain == domain)
        return Sink(port, {}, c.offers, self.address[domain], (c.certificate or self.good).context())

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def await_list(w, what):
    until = time.monotonic() + PATIENCE
    while True:
        rows = {r["recipient"]: r for r in w.a.json("queue", "list")}
        if what(rows):
            return rows
        assert time.monotonic() < until, rows
        time.sleep(0.05)


def all_ways():
    """Between two of ours and Postfix, each with records that hold: over TLS, both families of addresses."""
    if not shutil.which("postfix") or os.geteuid():
        return "postfix is not installed, or we are not root"
    with World(names, lab.more("a"), lab.port) as w:
        b = w.server("b", B, "bob", more=lab.more("b"), also=["[::1]"])
        postfix = Postfix(w.port, lab.of["post"], "[%s]:%d" % (A, w.port))
        try:
            w.send("bob@b.test", "joe@post.test")
            mail = inbox(b, "bob@b.test")[0]
            assert "TLS" in mail.get_all("Received")[0] and "::1" in mail.get_all("Received")[0], mail.as_string()
            assert b"with ESMTPS id" in postfix.mails(1)[0]
            with smtplib.SMTP("127.0.0.1", b.ports["submission"], timeout=PATIENCE) as smtp:
                smtp.starttls()
                smtp.login("bob@b.test", "secret")
                smtp.sendmail("bob@b.test", "ann@a.test", b"From: bob@b.test\r\nSubject: back\r\n\r\nhi\r\n")
            with smtplib.SMTP(POST, w.port, timeout=PATIENCE, source_address=("127.0.0.77", 0)) as smtp:
                smtp.sendmail("joe@post.test", "ann@a.test", b"From: joe@post.test\r\nSubject: from Postfix\r\n\r\nhi\r\n")
            back = inbox(w.a, "ann@a.test", 2)
            assert {m["Subject"] for m in back} == {"back", "from Postfix"}
            assert all("TLS" in m.get_all("Received")[0] for m in back), [m.get_all("Received") for m in back]
            empty_queue(w.a)
            empty_queue(b)
        finally:
            postfix.close()
            b.close()
    return None


def what_the_zone_says_is_kept():
    """One message to each domain: it goes as its zone says, or waits and goes when the domain is well again."""
    with World(names, lab.more("a"), lab.port) as w:
        sinks = {c.domain: lab.sink(c.domain, w.port) for c in lab.cases}
        sinks["plain"] = Sink(w.port, {}, PLAIN, "127.0.3.101")
        sinks["stale"] = Sink(w.port, {}, TLS, "127.0.3.102", lab.good.context())
        with w.login() as smtp:
            for name in (*sinks, "toalias", "tobad", "aliasta", "outside", "unsignedhost", "second"):
                w.send("x@%s.test" % name, subject=name, by=smtp)
        later = {c.domain: c.later for c in lab.cases if c.later is not None}
        later.update(stale="DNSSEC", outside="STARTTLS", tobad="certificate")
        rows = await_list(w, lambda rows: set(rows) == {"x@%s.test" % n for n in later} and
                          all(r["attempts"] for r in rows.values()))
        for name, words in later.items():
            row = rows["x@%s.test" % name]
            assert row["state"] == "waiting" and row["attempts"] == 1 and words in row["last_reply"], row
            if name in sinks:  # nothing was said in the clear
                assert not any(line.startswith(("MAIL", "RCPT")) for line in sinks[name].commands), (name, sinks[name].commands)
        assert not inbox(w.a, "ann@a.test", 0)
        expected = {c.domain: [c.encrypted] for c in lab.cases if c.later is None}
        expected.update(ee=[True] * 3, behind=[True] * 2, plain=[False] * 2)
        assert expected == {n: s.encrypted for n, s in sinks.items() if s.mails}, {n: s.encrypted for n, s in sinks.items()}
        mend(w, sinks)
        empty_queue(w.a)
        assert not inbox(w.a, "ann@a.test", 0)
        for name in later:
            if name in sinks:
                assert set(sinks[name].encrypted) == {True}, (name, sinks[name].commands)
        assert sinks["plain"].encrypted == [False, False, True] and sinks["mismatch"].encrypted == [True, True]
        for s in sinks.values():
            s.close()


def mend(w, sinks):
    """The zones and servers become what they should be; ours forgets the answers that it keeps."""
    names.stop()
    for zone, text in lab.whole.items():
        names.write(zone, text)
    names.start()
    for name, s in sinks.items():
        s.offers, s.tls = TLS, s.tls or lab.good.context()
    sinks["mismatch"].tls = lab.other.context()
    sinks["taname"].tls = lab.of["taname"].context()
    assert w.a.stop() == 0
    w.a.start()
    w.a.cli("queue", "retry")


def no_anchor_no_dane():
    """Without validation records of this kind are nobody's word."""
    more = lab.more("a").replace('"%s"' % lab.anchor, '"none"')
    with World(names, more, lab.port) as w:
        sink = lab.sink("mismatch", w.port)
        w.send("x@mismatch.test")
        empty_queue(w.a)
        assert sink.encrypted == [True]
        sink.close()


if not shutil.which("nsd") or not shutil.which("ldns-signzone") or sys.platform != "linux":
    print("skip signed zones: nsd or ldnsutils is not installed")
    sys.exit(0)
lab = Lab()
names = Names(lab.broken)
try:
    code = run_cases([all_ways, no_anchor_no_dane, what_the_zone_says_is_kept])
finally:
    names.close()
    lab.close()
sys.exit(code)
