"""kill -9 and power failures while mail goes out: each message that was acknowledged arrives, or its bounce."""
import json
import os
import socket
import struct
import threading
import time

import outbound_load
import place
import server as support
import shim
from kill_cases import LONG, Failures, spread

MESSAGES, ROUTES_EACH = 25, 8  # 200 transactions
CONNECTIONS = 3


class World:
    """A place, the sink that its mail goes to, and who submits."""

    def __init__(self, journal=False):
        self.sink = outbound_load.Sink()
        self.place = place.Place(journal, more=outbound_load.MORE % self.sink.port)
        self.ledger = outbound_load.Ledger()

    def submit(self, messages):
        """Until all are acknowledged, or the server goes."""
        messages, lock = list(messages), threading.Lock()

        def work():
            try:
                with outbound_load.session(self.place.server) as smtp:
                    while True:
                        with lock:
                            if not messages:
                                return
                            message = messages.pop(0)
                        self.ledger.submit(smtp, message)
            except outbound_load.Lost:
                pass

        threads = [threading.Thread(target=work) for _ in range(CONNECTIONS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def run(self):
        """True: all is out. False: the server was killed."""
        process, until = self.place.server.process, time.monotonic() + support.PATIENCE
        self.submit(outbound_load.Message(i, ROUTES_EACH) for i in range(MESSAGES))
        while process.poll() is None and time.monotonic() < until:
            if not self.ledger.missing(self.sink) and not self.waits():
                return True
            time.sleep(0.01)
        assert process.poll() is not None, "it does not go out: " + self.place.server.log()[-1000:]
        return False

    def waits(self):
        """Is something in the queue? A server that was just killed: yes. Asked on its socket: a command that finds no
        server opens the store itself, and what it writes is not in the journal: it would be lost by halves."""
        request = json.dumps({"v": 1, "do": "status"}).encode()
        try:
            with socket.socket(socket.AF_UNIX) as s, s.makefile("rb") as f:
                s.settimeout(support.PATIENCE)
                s.connect(os.path.join(self.place.data, "control.sock"))
                s.sendall(struct.pack(">I", len(request)) + request)
                answer = json.loads(f.read(struct.unpack(">I", f.read(4))[0]))
        except (OSError, struct.error, ValueError):
            return True
        return answer["row"]["queue"]["entries"]

    def check(self):
        """Every promise that is broken, in words."""
        wrong = self.place.verify()
        self.place.start(shimmed=False)
        outbound_load.wait_empty(self.place.server)
        wrong += self.ledger.problems(self.sink, *outbound_load.read_reports(self.place.server))
        self.place.server.stop()
        return wrong + self.place.verify()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.place.close()
        self.sink.close()


_calls = None


def count():
    with World() as w:
        w.place.start()
        w.place.shim.arm(shim.COUNT, 0)
        assert w.run(), "it does not go out: " + w.place.server.log()[-500:]
        calls = w.place.shim.get("calls")
        w.place.kill()
        wrong = w.check()
        assert not wrong and not w.sink.twice(), "without any kill: " + "; ".join(wrong)
        return calls


def kills(action, wanted, rng, journal=False, torn=500):
    global _calls
    _calls = _calls or count()
    failures, fired, undone, twice = Failures(), 0, 0, 0
    for k in spread(_calls, wanted, rng):
        with World(journal) as w:
            w.place.start()
            w.place.shim.arm(action, k, torn=torn)
            w.run()
            if w.place.shim.fired():
                fired += 1
                w.place.wait_end()
            w.place.kill()
            if journal:
                undone += shim.lose_power(w.place.data, w.place.shim.journal, rng)
            failures.add("%s call %d (%s)" % (shim.ACTIONS[action], k, w.place.shim.what()), w.check())
            twice += w.sink.twice()
    failures.end()
    assert fired, "no kill at all"
    return "%d kills of about %d calls, %d came twice" % (fired, _calls, twice) + (
        ", %d changes at stake" % undone if journal else "")


def outbound_kill_before(calls, rng):
    return kills(shim.KILL_BEFORE, 6, rng)


def outbound_kill_after(calls, rng):
    return kills(shim.KILL_AFTER, 6, rng)


def outbound_kill_within(calls, rng):
    return kills(shim.TORN, 3, rng, torn=rng.randint(1, 999))


def outbound_power_failure(calls, rng):
    return kills(shim.KILL_AFTER, 4, rng, journal=True)


def outbound_kill_at_any_time(calls, rng):
    """10,000 transactions, kill -9 again and again while they come in and go out."""
    each = 1 if LONG else 10
    rounds, kills_each = (5, 20) if LONG else (1, 4)
    failures, twice, allowed, killed = Failures(), 0, 0, 0
    for n in range(rounds):
        with World() as w:
            left = [outbound_load.Message(i, each) for i in range(10000 // each)]
            moments = sorted(rng.randint(1, 9500) for _ in range(kills_each))
            while left:
                w.place.start(shimmed=False)
                before = len(w.ledger.kept) + len(w.ledger.open)
                killer = threading.Thread(target=kill_at, args=(w, moments.pop(0) if moments else None))
                killer.start()
                w.submit(left)
                killer.join()
                left = left[len(w.ledger.kept) + len(w.ledger.open) - before:]
                if w.place.server.process is None:
                    killed += 1
                    allowed += w.open_at_kill
            if w.place.server.process:
                outbound_load.wait_empty(w.place.server)
                w.place.server.stop()
            failures.add("round %d" % n, w.check())
            twice += w.sink.twice()
            if w.sink.twice() > allowed:
                failures.add("round %d" % n, ["%d came twice, %d connections were open" % (w.sink.twice(), allowed)])
    failures.end()
    return "%d kills, %d came twice, %d connections were open" % (killed, twice, allowed)


def kill_at(world, moment):
    """Once so many have arrived."""
    sink = world.sink
    if moment is None:
        return
    with sink.moved:
        sink.moved.wait_for(lambda: sum(sink.arrived.values()) >= moment, support.PATIENCE)
        world.open_at_kill = sink.open()
    world.place.kill()


CASES = [outbound_kill_before, outbound_kill_after, outbound_kill_within, outbound_power_failure,
         outbound_kill_at_any_time]
