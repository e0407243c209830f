"""Throw-away folders with three accounts, and what must hold of them after a crash."""
import atexit
import fcntl
import json
import os
import shutil
import subprocess
import tempfile

import load
import server as support
import shim

MORE = 'auth = { plaintext_without_tls = true }'
_template = None
_base = None


def base():
    """In memory where there is room: what was written but not synced is lost by rule, not by chance."""
    global _base
    if not _base:
        memory = "/dev/shm"
        st = os.statvfs(memory) if os.access(memory, os.W_OK) else None
        roomy = st and st.f_bavail * st.f_frsize > 1 << 30
        _base = tempfile.mkdtemp(prefix="barid-crash-", dir=memory if roomy else None)
        os.chmod(_base, 0o755)
        atexit.register(shutil.rmtree, _base, True)
    return _base


def template():
    """A data folder with a domain and the accounts, whose server has run once."""
    global _template
    if not _template:
        folder = os.path.join(base(), "template")
        os.mkdir(folder)
        s = support.Server(folder=folder, more=MORE).setup(*load.ACCOUNTS, password=load.PASSWORD)
        s.start()
        s.stop()
        for name in ("ballast", "control.sock"):
            if os.path.exists(os.path.join(s.data, name)):
                os.unlink(os.path.join(s.data, name))
        _template = s.data
    return _template


class Skip(Exception):
    pass


class Place:
    """A copy of the template, its server, its shim and its ledger."""

    def __init__(self, journal=False, disk=None, data=None, more=MORE):
        """disk: size of a file system of its own. data: another folder than the template. more: of the config."""
        self.folder = tempfile.mkdtemp(dir=base())
        os.chmod(self.folder, 0o755)
        who = support.owner()
        inside = os.path.join(self.folder, "data")
        self.mounted = bool(disk)
        if disk:
            os.mkdir(inside)
            if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=" + disk, "none", inside],
                               stderr=subprocess.DEVNULL):
                raise Skip("no file system can be mounted here")
        shutil.copytree(data or template(), inside, dirs_exist_ok=True)
        for top, _, files in os.walk(inside):
            os.chown(top, who.pw_uid, who.pw_gid)
            for name in files:
                os.chown(os.path.join(top, name), who.pw_uid, who.pw_gid)
        os.chown(self.folder, who.pw_uid, who.pw_gid)  # the LMTP socket is made here
        self.server = support.Server(folder=self.folder, more=more)
        self.data = self.server.data
        self.plain = dict(self.server.env)
        self.shim = shim.Shim(self.folder, journal)
        self.ledger = load.Ledger()

    def start(self, shimmed=True, ready=True, before=()):
        """before: a program that starts the server."""
        if self.shim.journal and os.path.exists(self.shim.journal):
            os.unlink(self.shim.journal)
        self.server.env = {**self.plain, **(self.shim.env if shimmed else {})}
        self.server.before = before
        self.server.start(ready)

    def wait_end(self):
        """Of a server that was killed by its shim."""
        code = self.server.process.wait(support.PATIENCE)
        self.server.process = None
        self.wait_lock()
        return code

    def wait_lock(self):
        """A killed worker is gone when its lock is."""
        with open(os.path.join(self.data, "lock"), "rb") as f:
            fcntl.flock(f, fcntl.LOCK_EX)

    def kill(self):
        if self.server.process:
            try:
                self.server.kill()
            except ProcessLookupError:  # it ended by itself
                self.server.process = None
            self.wait_lock()

    def dump(self):
        return load.dump(shim.DUMP, self.data, support.owner())

    def verify(self):
        """What `barid verify` finds, in words."""
        done = self.server.cli("verify", "--json", check=False)
        faults = [f["text"] for f in json.loads(done.stdout)] if done.stdout.strip() else []
        if done.returncode and not faults:
            faults = [done.stderr.strip()]
        return ["verify (exit %d): %s" % (done.returncode, text) for text in faults]

    def check(self):
        """Offline. Every promise that is broken, in words; afterwards the ledger is certain."""
        wrong = self.verify()
        dump = self.dump()
        wrong += self.ledger.problems(dump)
        self.ledger.learn(dump)
        return wrong

    def close(self):
        self.kill()
        self.shim.close()
        if self.mounted:
            subprocess.call(["umount", "-l", self.data])
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
