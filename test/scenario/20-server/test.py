"""The life of the server: start, reload, drain, crash, rights, sandbox."""
import fcntl
import os
import re
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

from server import BARID, CONFIG, PATIENCE, Failed, Server, run_cases, sanitized


def smtp(s):
    return smtplib.SMTP("127.0.0.1", s.ports["smtp"], timeout=PATIENCE)


def send(c, to="a@example.test", text="Subject: x\r\n\r\nhello\r\n"):
    return c.sendmail("b@remote.test", [to], text)


def messages(s, address="a@example.test"):
    return [r["messages"] for r in s.json("account", "list") if r["address"] == address][0]


def certificate(folder, name):
    pem, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", key, "-out", pem, "-days", "9", "-subj", "/CN=" + name,
                    "-addext", "subjectAltName=DNS:" + name], check=True, capture_output=True)
    return pem, key


def served_certificate(s, name=None):
    c = smtp(s)
    c.ehlo()
    context = ssl._create_unverified_context()
    c.docmd("STARTTLS")
    tls = context.wrap_socket(c.sock, server_hostname=name)
    der = tls.getpeercert(True)
    tls.close()
    return der


def reload_keeps_connections_and_changes_the_certificate():
    with Server() as s:
        s.setup("a").start()
        c = smtp(s)
        send(c)
        before = served_certificate(s)
        pem, key = certificate(s.folder, "new.example.test")
        with open(s.conf, "a") as f:
            f.write('tls = { certificate = "%s"; key = "%s" }\n' % (pem, key))
        s.cli("reload")
        send(c)  # the old connection lives
        assert c.noop()[0] == 250
        after = served_certificate(s)
        assert before != after
        assert after == ssl.PEM_cert_to_DER_cert(open(pem).read())
        s.process.send_signal(signal.SIGHUP)
        s.wait_log("event=reloaded", 2)
        assert c.noop()[0] == 250
        c.quit()
        assert messages(s) == 2
        assert s.stop() == 0


def server_names_choose_the_certificate():
    with Server() as s:
        s.setup("a")
        one = certificate(s.folder, "one.example.test")
        two = certificate(s.folder, "two.example.test")
        with open(s.conf, "a") as f:
            f.write('tls = { certificate = "%s"; key = "%s"; also = ( { server_name = "two.example.test"; '
                    'certificate = "%s"; key = "%s" } ) }\n' % (*one, *two))
        s.start()
        der = [ssl.PEM_cert_to_DER_cert(open(pem).read()) for pem, _ in (one, two)]
        assert served_certificate(s) == der[0]
        assert served_certificate(s, "two.example.test") == der[1]
        assert served_certificate(s, "three.example.test") == der[0]


def a_bad_reload_changes_nothing():
    with Server() as s:
        s.setup("a").start()
        good = open(s.conf).read()
        s.write_config(good + "nonsense = 1\n")
        done = s.cli("reload", check=False)
        assert done.returncode == 2 and "unknown setting nonsense" in done.stderr, done
        s.process.send_signal(signal.SIGHUP)
        s.wait_log('event="reload refused"')
        s.write_config(good)
        c = smtp(s)
        send(c)
        assert messages(s) == 1
        s.cli("reload")
        send(c)
        c.quit()


def reload_opens_and_closes_listeners():
    with Server() as s:
        s.setup("a").start()
        held = smtp(s)
        old = s.ports["smtp"]
        text = open(s.conf).read().replace('smtp = ["127.0.0.1:0"]', 'smtp = ["[::1]:0"]')
        s.write_config(text)
        s.cli("reload")
        s.wait_log('event="listener closed" listener=smtp')
        try:
            socket.create_connection(("127.0.0.1", old), timeout=PATIENCE)
            raise Failed("the old address still listens")
        except ConnectionRefusedError:
            pass
        send(held)
        port = int(re.findall(r"listener=smtp address=\[::1\]:(\d+)", s.log())[-1])
        c = smtplib.SMTP("::1", port, timeout=PATIENCE)
        send(c)
        c.quit()
        assert messages(s) == 2


def reload_widens_an_address():
    with Server() as s:
        s.setup("a").start()
        port = s.ports["smtp"]
        s.write_config(open(s.conf).read().replace('smtp = ["127.0.0.1:0"]', 'smtp = ["127.0.0.1:%d"]' % port))
        s.cli("reload")
        s.write_config(open(s.conf).read().replace('"127.0.0.1:%d"' % port, '"0.0.0.0:%d"' % port))
        s.cli("reload")
        c = smtp(s)
        send(c)
        c.quit()
        assert messages(s) == 1


def sigterm_drains_under_load():
    with Server() as s:
        s.setup("a").start()
        acknowledged = []
        stop = threading.Event()

        def load():
            while not stop.is_set():
                try:
                    c = smtp(s)
                    while not stop.is_set():
                        send(c)
                        acknowledged.append(1)
                except (smtplib.SMTPException, OSError):
                    return

        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        while len(acknowledged) < 50:
            time.sleep(0.01)
        idle = smtp(s)
        begun = time.monotonic()
        code = s.stop()
        assert code == 0, code
        assert time.monotonic() - begun < PATIENCE / 2
        stop.set()
        for t in threads:
            t.join()
        assert idle.sock.recv(200).startswith(b"421 "), "an idle session hears 421"
        assert messages(s) >= len(acknowledged), (messages(s), len(acknowledged))
        assert s.cli("verify").stdout.startswith("faults 0\n")


def a_killed_worker_is_started_again():
    with Server() as s:
        s.setup("a").start()
        c = smtp(s)
        send(c)
        os.kill(s.worker_pid(), signal.SIGKILL)
        s.wait_log("event=ready", 2)
        c = smtp(s)
        send(c)
        c.quit()
        assert messages(s) == 2
        assert 'event="worker died" signal=9' in s.log()
        assert s.stop() == 0


def a_command_that_has_the_store_does_not_end_the_server():
    with Server() as s:
        s.setup("a").start()
        with open(os.path.join(s.data, "lock")) as lock:
            os.kill(s.worker_pid(), signal.SIGKILL)
            fcntl.flock(lock, fcntl.LOCK_EX)  # as a command does that finds nobody to ask
            s.wait_log("another process")
            assert s.process.poll() is None
        s.wait_log("event=ready", count=2)
        s.find_ports()
        with smtp(s) as c:
            send(c)
        assert messages(s) == 1


def a_start_waits_for_a_command_to_end():
    with Server() as s:
        s.setup("a")
        lock = open(os.path.join(s.data, "lock"))
        fcntl.flock(lock, fcntl.LOCK_EX)
        release = threading.Timer(0.5, lock.close)
        release.start()
        s.start()
        release.join()


def the_worker_has_no_rights_to_lose():
    if sanitized():
        return "no sandbox under sanitizers"
    with Server() as s:
        s.setup("a").start()
        status = open("/proc/%d/status" % s.worker_pid()).read()
        assert "NoNewPrivs:\t1" in status
        assert "Seccomp:\t2" in status
        if os.geteuid() == 0:
            uids = re.search(r"Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)", status).groups()
            assert "0" not in uids, status
            assert re.search(r"Groups:\t *\n", status), status
            assert re.search(r"CapEff:\t0+\n", status), status


def root_as_owner_is_refused():
    if os.geteuid() != 0:
        return "needs root"
    with Server() as s:
        os.chown(s.data, 0, 0)
        s.start(ready=False)
        assert s.process.wait(PATIENCE) == 2
        assert "belongs to root" in s.log()
        done = s.cli("account", "list", check=False)
        assert done.returncode == 2 and "belongs to root" in done.stderr


def a_second_server_on_the_same_folder_ends():
    with Server() as s:
        s.setup("a").start()
        with Server(config=(CONFIG % dict(hostname="other", data=s.data, folder=s.folder + "/x",
                                          smtp='"127.0.0.1:0"', more="")
                                ).replace('"unix:%s/x/lmtp"' % s.folder, "").replace('"unix:%s/x/sendmail"' % s.folder, "")) as other:
            other.start(ready=False)
            assert other.process.wait(PATIENCE) == 78
            assert "lock" in other.log() or "another" in other.log(), other.log()


def a_used_port_is_told():
    with Server() as s:
        s.start()
        with Server(smtp='"127.0.0.1:%d"' % s.ports["smtp"]) as other:
            other.start(ready=False)
            assert other.process.wait(PATIENCE) == 2
            assert "in use" in other.log(), other.log()


def a_newer_format_is_refused():
    with Server() as s:
        s.setup("a")
        path = os.path.join(s.data, "format")
        text = open(path).read()
        with open(path, "w") as f:
            f.write("barid store 999\n")
        s.start(ready=False)
        assert s.process.wait(PATIENCE) == 78
        assert "format" in s.log(), s.log()
        with open(path, "w") as f:
            f.write(text)
        s.start()


def metrics_and_health():
    with Server() as s:
        s.setup("a").start()
        c = smtp(s)
        send(c)
        base = "http://127.0.0.1:%d" % s.ports["metrics"]
        assert urllib.request.urlopen(base + "/health").read() == b"ok\n"
        page = urllib.request.urlopen(base + "/metrics").read().decode()
        assert 'barid_connections{listener="smtp"} 1' in page
        names = [line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")]
        assert len(names) == len(set(names))
        try:
            urllib.request.urlopen(base + "/nothing")
            raise Failed("no 404")
        except urllib.error.HTTPError as e:
            assert e.code == 404
        c.quit()


def json_log_lines_parse():
    import json
    with Server(more='log = { format = "json"; level = "debug" }') as s:
        s.setup("a")
        s.start(ready=False)
        s.wait_log('"event":"ready"')
        port = None
        for line in s.log().splitlines():
            row = json.loads(line)
            assert {"time", "level", "event"} <= set(row), row
            if row["event"] == "listening" and row["listener"] == "smtp":
                port = int(row["address"].rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as c:
            c.recv(1000)
            c.sendall(b"EHLO a\x1b[31m\"b\r\nMAIL FROM:<x\xff@y>\r\nQUIT\r\n")
            while c.recv(1000):
                pass
        s.wait_log('"event":"disconnected"')
        for line in s.log().splitlines():
            json.loads(line)


def systemd_is_told():
    folder = "/tmp"
    path = os.path.join(folder, "barid-notify-%d" % os.getpid())
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as n:
        n.bind(path)
        os.chmod(path, 0o666)
        n.settimeout(PATIENCE)
        try:
            with Server(env={"NOTIFY_SOCKET": path}) as s:
                s.start()
                assert n.recv(100) == b"READY=1"
                s.cli("reload")
                assert n.recv(100) == b"RELOADING=1"
                assert n.recv(100) == b"READY=1"
                s.stop()
                assert n.recv(100) == b"STOPPING=1"
        finally:
            os.unlink(path)


sys.exit(run_cases([
    reload_keeps_connections_and_changes_the_certificate,
    server_names_choose_the_certificate,
    a_bad_reload_changes_nothing,
    reload_opens_and_closes_listeners,
    reload_widens_an_address,
    sigterm_drains_under_load,
    a_killed_worker_is_started_again,
    a_command_that_has_the_store_does_not_end_the_server,
    a_start_waits_for_a_command_to_end,
    the_worker_has_no_rights_to_lose,
    root_as_owner_is_refused,
    a_second_server_on_the_same_folder_ends,
    a_used_port_is_told,
    a_newer_format_is_refused,
    metrics_and_health,
    json_log_lines_parse,
    systemd_is_told,
]))
