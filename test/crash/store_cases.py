"""The engine alone, with garbage collected at once: crash-store killed at each call, then checked."""
import os
import shutil
import subprocess
import tempfile

import place
import shim

LONG = bool(os.environ.get("LONG"))
STEPS = 40  # of one life of the program


class Store:
    def __init__(self, rng, journal=False):
        self.folder = tempfile.mkdtemp(dir=place.base())
        self.data = os.path.join(self.folder, "data")
        os.mkdir(self.data)
        self.shim = shim.Shim(self.folder, journal, alone=True)
        self.seed, self.at = str(rng.randrange(1 << 30)), 0
        self.said, self.log = "", ""

    def run(self, mode, *numbers, shimmed=False):
        if self.shim.journal and os.path.exists(self.shim.journal):
            os.unlink(self.shim.journal)
        env = {**os.environ, **(self.shim.env if shimmed else {})}
        done = subprocess.run([shim.STORE, mode, self.data, self.seed, *map(str, numbers)], env=env,
                              capture_output=True, text=True, timeout=120)
        self.said, self.log = done.stdout, done.stderr
        return done.returncode

    def work(self):
        """STEPS more steps. The exit code; self.at: the last step that it said was done."""
        code = self.run("work", self.at + 1, self.at + STEPS, shimmed=True)
        done = [int(line.split()[1]) for line in self.said.splitlines() if line.startswith("done ")]
        self.at = done[-1] if done else self.at
        return code

    def check(self, where):
        code = self.run("check", self.at)
        wrong = [line for line in self.said.splitlines() if not line.startswith("at ")]
        assert code == 0 and not wrong, "%s (seed %s, step %d): exit %d: %s" % (
            where, self.seed, self.at, code, "; ".join(wrong) or self.log[-300:])
        self.at = int(self.said.split()[-1])

    def close(self):
        self.shim.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


def count_calls(rng):
    with Store(rng) as s:
        s.shim.arm(shim.COUNT, 0)
        assert s.work() == 0, s.said + s.log
        calls = s.shim.get("calls")
        s.check("no kill")
        return calls


def kills(rng, rounds, journal=False):
    """Kills at a call of each life; the next life goes on with what is there. In the long run every call
    of a fresh store as well."""
    calls, fired, undone, compacted = count_calls(rng), 0, 0, 0
    s = Store(rng, journal)
    try:
        for n in range(1, (10 * calls if LONG else rounds) + 1):
            action = rng.choice((shim.KILL_BEFORE, shim.KILL_AFTER, shim.TORN))
            k = n if LONG and n <= calls else rng.randint(1, calls)
            s.shim.arm(action, k, torn=rng.randint(1, 999))
            code = s.work()
            fired += bool(s.shim.fired())
            compacted += s.log.count("store.compacted")
            where = "%s call %d (%s), exit %d" % (shim.ACTIONS[action], k, s.shim.what(), code)
            if journal:
                undone += shim.lose_power(s.data, s.shim.journal, rng)
            s.check(where)
            if n % 40 == 0 or (LONG and n <= calls):
                s.close()
                s = Store(rng, journal)
    finally:
        s.close()
    assert fired and compacted, "%d kills, %d segments compacted" % (fired, compacted)
    return "%d kills, %d segments compacted" % (fired, compacted) + (
        ", %d changes at stake" % undone if journal else "")


def store_killed(calls, rng):
    return kills(rng, 80)


def store_loses_power(calls, rng):
    return kills(rng, 60, journal=True)


def failures(rng, rounds, error, kinds, count):
    """`count` calls fail. Ends well, or by itself when what is on the disk is not known any more."""
    calls, ended, fired = count_calls(rng), 0, 0
    with Store(rng) as s:
        for n in range(2 * calls if LONG else rounds):
            k = rng.randint(1, calls)
            s.shim.arm(shim.FAIL, k, kinds, last=k + count - 1, error=error)
            code = s.work()
            fired += bool(s.shim.fired())
            ended += code != 0
            assert code in (0, 1, 3), "call %d: exit %d: %s" % (k, code, s.log[-300:])
            s.check("call %d fails, exit %d" % (k, code))
    assert fired, "nothing failed"
    return "%d failures, the store ended %d times" % (fired, ended)


def store_on_a_full_disk(calls, rng):
    full = shim.WRITE | shim.ALLOCATE | shim.CREATE
    one = failures(rng, 20, shim.ENOSPC, full, 1)
    many = failures(rng, 20, shim.ENOSPC, full, 30)
    return "one: %s; thirty: %s" % (one, many)


def store_on_a_broken_disk(calls, rng):
    return failures(rng, 20, shim.EIO, shim.ALL, 1)


CASES = [store_killed, store_loses_power, store_on_a_full_disk, store_on_a_broken_disk]
