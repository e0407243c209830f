"""A barid server for tests: a throw-away folder, free ports, awaited by its log, stopped at the end."""
import json
import os
import pwd
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

BARID = os.environ.get("BARID", os.path.join(os.path.dirname(__file__), "../../build/barid"))
PATIENCE = float(os.environ.get("PATIENCE", "60"))

CONFIG = """hostname = "%(hostname)s"
data_dir = "%(data)s"
listen = {
  smtp = [%(smtp)s]
  submission = ["127.0.0.1:0"]
  submissions = ["127.0.0.1:0"]
  lmtp = ["unix:%(folder)s/lmtp"]
  pop3 = ["127.0.0.1:0"]
  pop3s = ["127.0.0.1:0"]
  imap = ["127.0.0.1:0"]
  imaps = ["127.0.0.1:0"]
  sendmail = ["unix:%(folder)s/sendmail"]
  metrics = ["127.0.0.1:0"]
}
%(more)s
"""


class Failed(Exception):
    pass


def sanitized():
    """A build under a sanitizer: no sandbox, other memory."""
    with open(BARID, "rb") as f:
        text = f.read()
    return b"__asan_init" in text or b"__tsan_init" in text


def owner():
    """Who the worker runs as: nobody when we are root, else we."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


class Server:
    def __init__(self, hostname="mx.example.test", more="", config=None, smtp='"127.0.0.1:0"', env=None,
                 folder=None):
        self.own_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="barid-test-")
        os.chmod(self.folder, 0o755)
        self.data = os.path.join(self.folder, "data")
        if not os.path.isdir(self.data):
            os.mkdir(self.data, 0o700)
            os.chown(self.data, owner().pw_uid, owner().pw_gid)
        self.conf = os.path.join(self.folder, "barid.conf")
        self.log_path = os.path.join(self.folder, "log")
        self.env = dict(os.environ, **(env or {}))
        self.process = None
        self.before = ()  # a command that runs the server
        self.ports = {}
        if "dns =" not in more:  # nobody is asked about names
            more += '\ndns = { servers = ["127.0.0.1:9"], trust_anchor = "none" }'
        if "limits =" not in more:
            more += "\nlimits = { connections_per_address = 0, recipients_per_hour = 0, recipients_per_day = 0 }"
        self.write_config(config or CONFIG % dict(
            hostname=hostname, data=self.data, folder=self.folder, smtp=smtp, more=more))

    def write_config(self, text):
        with open(self.conf, "w") as f:
            f.write(text)

    # ---- commands ----

    def cli(self, *args, stdin="", check=True):
        done = subprocess.run([BARID, *args, "-c", self.conf], input=stdin, capture_output=True, text=True,
                              timeout=PATIENCE)
        if check and done.returncode != 0:
            raise Failed("barid %s: exit %d: %s" % (" ".join(args), done.returncode, done.stderr.strip()))
        return done

    def json(self, *args):
        return json.loads(self.cli(*args, "--json").stdout)

    def add_domain(self, name="example.test"):
        self.cli("domain", "add", name)

    def add_account(self, address, password="secret", *options):
        self.cli("account", "add", address, "--password-stdin", *options, stdin=password + "\n")

    def setup(self, *names, domain="example.test", password="secret"):
        self.add_domain(domain)
        for name in names:
            self.add_account("%s@%s" % (name, domain), password)
        return self

    # ---- life ----

    def start(self, ready=True):
        self.log_file = open(self.log_path, "ab")
        self.log_from = os.path.getsize(self.log_path)
        self.process = subprocess.Popen([*self.before, BARID, "serve", "-c", self.conf], stdin=subprocess.DEVNULL,
                                        stdout=self.log_file, stderr=self.log_file, env=self.env,
                                        start_new_session=True)
        if ready:
            self.wait_log("event=ready")
            self.find_ports()
        return self

    def log(self):
        with open(self.log_path, "rb") as f:
            f.seek(self.log_from)
            return f.read().decode("utf-8", "replace")

    def wait_log(self, text, count=1):
        """Until the log of this run holds `text` so many times."""
        until = time.monotonic() + PATIENCE
        while self.log().count(text) < count:
            if self.process.poll() is not None and self.log().count(text) < count:
                raise Failed("the server ended (%d): %s" % (self.process.returncode, self.log()[-2000:]))
            if time.monotonic() > until:
                raise Failed("no %r in the log: %s" % (text, self.log()[-2000:]))
            select.select([], [], [], 0.005)

    def find_ports(self):
        self.ports = {}
        for line in self.log().splitlines():
            m = re.search(r"event=listening listener=(\S+) address=\S*:(\d+) ", line)
            if m:
                self.ports.setdefault(m.group(1), int(m.group(2)))
        return self.ports

    def worker_pid(self):
        return int(re.findall(r"event=ready .*pid=(\d+)", self.log())[-1])

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def kill(self):
        """kill -9 of supervisor and worker."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(PATIENCE)
        self.process = None

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def run_cases(cases):
    """Runs functions, prints what tools/test reads; the exit code. A case that returns a text was skipped."""
    failed = 0
    for case in cases:
        name = case.__name__.replace("_", " ")
        try:
            skipped = case()
            print("skip %s: %s" % (name, skipped) if skipped else "ok %s" % name, flush=True)
        except Exception as e:  # a broken case is a failed case
            failed += 1
            print("not ok %s: %s: %s" % (name, type(e).__name__, str(e).replace("\n", " | ")[:1500]), flush=True)
    return 1 if failed else 0
