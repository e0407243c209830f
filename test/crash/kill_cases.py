"""kill -9 at every call that reaches the disk, and at random moments under load."""
import os
import random
import signal
import threading
import time

import load
import shim
import server as support
from place import Place

LONG = bool(os.environ.get("LONG"))


def spread(count, wanted, rng):
    """`wanted` numbers of 1..count, evenly but not always the same; all of them in the long run."""
    if LONG or wanted >= count:
        return list(range(1, count + 1))
    return sorted({1 + int((i + rng.random()) * count / wanted) for i in range(wanted)})


def count_calls(kinds=shim.ALL):
    """Of the script of load.py, on a started server."""
    with Place() as p:
        p.start()
        p.shim.arm(shim.COUNT, 0, kinds)
        load.script(p.server, p.ledger, "count", load.has_pop3(p.server))
        calls = p.shim.get("calls")
        p.kill()
        wrong = p.check()
        assert not wrong, "without any kill: " + "; ".join(wrong)
        return calls


def run_script(p, tag):
    """True: to its end."""
    try:
        load.script(p.server, p.ledger, tag, load.has_pop3(p.server))
        return True
    except load.LOST:
        return False


class Failures:
    def __init__(self):
        self.texts = []

    def add(self, where, wrong):
        self.texts += ["%s: %s" % (where, w) for w in wrong[:3]]

    def end(self):
        assert not self.texts, "%d faults: %s" % (len(self.texts), "; ".join(self.texts[:6]))


def still_works(p, tag):
    """Started again after a crash it takes and gives mail."""
    p.start(shimmed=False)
    if not run_script(p, tag):
        return ["the script does not run after the crash: " + p.server.log()[-300:]]
    p.server.stop()
    return p.check()


def kills(calls, action, wanted, rng, journal=False, torn=500):
    failures, fired, undone = Failures(), 0, 0
    for k in spread(calls, wanted, rng):
        with Place(journal) as p:
            p.start()
            p.shim.arm(action, k, torn=torn)
            run_script(p, "k%d" % k)
            if p.shim.fired():
                fired += 1
                p.wait_end()
            p.kill()
            where = "%s call %d (%s)" % (shim.ACTIONS[action], k, p.shim.what())
            if journal:
                undone += shim.lose_power(p.data, p.shim.journal, rng)
            failures.add(where, p.check())
            if fired % 8 == 0:
                failures.add(where + ", then", still_works(p, "again"))
    failures.end()
    assert fired, "no kill at all"
    return "%d kills" % fired + (", %d changes at stake" % undone if journal else "")


def kill_before(calls, rng):
    return kills(calls, shim.KILL_BEFORE, 30, rng)


def kill_after(calls, rng):
    return kills(calls, shim.KILL_AFTER, 20, rng)


def kill_within(calls, rng):
    return kills(calls, shim.TORN, 20, rng, torn=rng.randint(1, 999))


def power_failure(calls, rng):
    return kills(calls, shim.KILL_AFTER, 30, rng, journal=True)


def power_failure_of_a_disk_that_lies(calls, rng):
    """The test has teeth: where syncs do nothing, mail is lost and that is seen."""
    for _ in range(20):
        with Place(journal=True) as p:
            p.start()
            p.shim.arm(shim.LIE, 1, shim.SYNC, last=shim.FOREVER)
            run_script(p, "lie")
            p.kill()
            shim.lose_power(p.data, p.shim.journal, rng)
            try:
                if p.check():
                    return
            except AssertionError:  # it cannot even be opened
                return
    raise AssertionError("nothing was lost")


def kill_while_starting(calls, rng):
    """A server that was killed is killed again while it recovers, at each call of its start."""
    failures, fired, k = Failures(), 0, 0
    with Place() as p:
        while True:
            p.start()
            p.shim.arm(shim.KILL_AFTER, rng.randint(1, calls))
            run_script(p, "s%d" % k)
            p.kill()
            k += 1
            p.shim.arm(shim.KILL_BEFORE, k)
            p.start(ready=False)
            p.server.process.poll()
            try:
                p.server.wait_log("event=ready")
            except support.Failed:
                pass
            done = not p.shim.fired()
            fired += not done
            p.kill()
            failures.add("call %d of the start" % k, p.check())
            if done or (k >= 15 and not LONG):
                break
    failures.end()
    return "%d kills" % fired


def worker_killed_at_a_call(calls, rng):
    """The supervisor lives: it starts another worker, and the same sockets go on."""
    failures, fired = Failures(), 0
    for k in spread(calls, 10, rng):
        with Place() as p:
            p.start()
            p.shim.arm(shim.KILL_AFTER, k, spare=True)
            whole = run_script(p, "k%d" % k)
            if p.shim.fired():
                fired += 1
                p.server.wait_log("event=ready", 2)
            if not run_script(p, "again") or whole:
                failures.add("call %d" % k, ["the new worker does not serve, or nothing was lost"])
            p.kill()
            failures.add("call %d" % k, p.check())
    failures.end()
    return "%d kills" % fired


# ---- under load ----


class Crowd:
    """Connections that deliver until they lose the server."""

    def __init__(self, p, size, tag, rng):
        self.p, self.tag, self.kept = p, tag, 0
        self.moved = threading.Condition()
        self.enough = False
        self.strange, self.lost = [], 0
        self.threads = [threading.Thread(target=self.deliver, args=(i, rng.randrange(1 << 30))) for i in range(size)]
        for t in self.threads:
            t.start()

    def deliver(self, index, seed):
        rng, n = random.Random(seed), 0
        where = self.p.server.ports["smtp"] if index % 2 else self.p.server.folder + "/lmtp"
        try:
            with load.Smtp(where, self.p.ledger) as c:
                while not self.enough:
                    n += 1
                    size = rng.choice((300, 2000, 2000, 20000, 300000))
                    who = load.ACCOUNTS[:rng.randint(1, 3)]
                    replies = c.data(load.Message("%s.%d.%d" % (self.tag, index, n), size, who))
                    if any(r.startswith("5") for r in replies):
                        self.strange += replies
                    with self.moved:
                        self.kept += 1
                        self.moved.notify_all()
        except load.LOST:
            with self.moved:
                self.lost += 1

    def wait(self, count):
        with self.moved:
            if not self.moved.wait_for(lambda: self.kept >= count, load.PATIENCE):
                self.strange.append("only %d deliveries" % self.kept)

    def end(self):
        """A connection that waited in the backlog at the kill is served by the next worker: it ends here."""
        self.enough = True
        for t in self.threads:
            t.join()
        return self.strange


def kill_under_load(calls, rng):
    """Each round starts with what the kill before it left."""
    failures, kept = Failures(), 0
    for many in range(20 if LONG else 1):
        with Place() as p:
            for n in range(5):
                p.start(shimmed=False)
                crowd = Crowd(p, 20, "round%d" % n, rng)
                crowd.wait(rng.randint(1, 300))
                p.kill()
                failures.add("round %d" % n, crowd.end())
                failures.add("round %d" % n, p.check())
                kept += crowd.kept
    failures.end()
    return "%d deliveries" % kept


def kill_worker_under_load(calls, rng):
    failures = Failures()
    with Place() as p:
        p.start(shimmed=False)
        for n in range(20 if LONG else 3):
            crowd = Crowd(p, 20, "round%d" % n, rng)
            crowd.wait(rng.randint(1, 200))
            os.kill(p.server.worker_pid(), signal.SIGKILL)
            failures.add("round %d" % n, crowd.end())
            p.server.wait_log("event=ready", n + 2)
        if not run_script(p, "end"):
            failures.add("end", ["the last worker does not serve"])
        p.kill()
        failures.add("end", p.check())
    failures.end()


def stop_under_load(calls, rng):
    """SIGTERM: what was promised is there, in less than half a minute."""
    failures = Failures()
    with Place() as p:
        for n in range(10 if LONG else 3):
            p.start(shimmed=False)
            crowd = Crowd(p, 20, "round%d" % n, rng)
            crowd.wait(rng.randint(1, 200))
            began = time.monotonic()
            code = p.server.stop()
            seconds = time.monotonic() - began
            failures.add("round %d" % n, ["exit %d after %.1f s" % (code, seconds)] if code or seconds > 30 else [])
            failures.add("round %d" % n, crowd.end())
            failures.add("round %d" % n, p.check())
    failures.end()


def reload_under_load(calls, rng):
    """SIGHUP: no connection is dropped."""
    failures = Failures()
    with Place() as p:
        p.start(shimmed=False)
        crowd = Crowd(p, 20, "reload", rng)
        for n in range(5):
            crowd.wait(30 * (n + 1))
            p.server.process.send_signal(signal.SIGHUP)
            p.server.wait_log("event=reloaded", n + 1)
        crowd.enough = True
        failures.add("reload", crowd.end())
        failures.add("reload", ["%d connections were dropped" % crowd.lost] if crowd.lost else [])
        failures.add("reload", still_works_after_stop(p))
    failures.end()


def still_works_after_stop(p):
    p.server.stop()
    return p.check()


CASES = [kill_before, kill_after, kill_within, power_failure, power_failure_of_a_disk_that_lies, kill_while_starting,
         worker_killed_at_a_call, kill_under_load, kill_worker_under_load, stop_under_load,
         reload_under_load]
