"""kill -9 and power failures under a script over IMAP (imap_load.py): what was acknowledged is there as it was,
nothing is there by half."""
import os
import shutil

import imap_load
import load
import place
import shim
from kill_cases import Failures, spread

_filled = None


def filled():
    """(data folder, its state) of an account with a large mailbox; its server has run."""
    global _filled
    if not _filled:
        with place.Place() as p:
            p.start(shimmed=False)
            imap_load.fill(p.server.ports["imap"])
            state = imap_load.read_state(p.server.ports["imap"])
            p.server.stop()
            data = os.path.join(place.base(), "filled")
            shutil.copytree(p.data, data, ignore=shutil.ignore_patterns("ballast", "control.sock"))
        _filled = data, state
    return _filled


def start(journal=False):
    data, state = filled()
    p = place.Place(journal, data=data)
    p.start()
    return p, imap_load.Script(state.copy())


def run_script(p, script):
    """True: to its end."""
    try:
        script.run(p.server.ports["imap"])
        return True
    except load.LOST:
        return False


def check(p, script):
    """Every promise that is broken, in words."""
    wrong = p.verify()
    p.start(shimmed=False)
    wrong += script.problems(imap_load.read_state(p.server.ports["imap"]))
    p.server.stop()
    return wrong + p.verify()


def count():
    p, script = start()
    with p:
        p.shim.arm(shim.COUNT, 0)
        assert run_script(p, script), "the script does not run: " + p.server.log()[-500:]
        calls = p.shim.get("calls")
        p.kill()
        wrong = check(p, script)
        assert not wrong, "without any kill: " + "; ".join(wrong)
        return calls


_calls = None


def kills(action, wanted, rng, journal=False, torn=500):
    global _calls
    _calls = _calls or count()
    failures, fired, undone = Failures(), 0, 0
    for k in spread(_calls, wanted, rng):
        p, script = start(journal)
        with p:
            p.shim.arm(action, k, torn=torn)
            run_script(p, script)
            if p.shim.fired():
                fired += 1
                p.wait_end()
            p.kill()
            if journal:
                undone += shim.lose_power(p.data, p.shim.journal, rng)
            where = "%s call %d (%s)" % (shim.ACTIONS[action], k, p.shim.what())
            failures.add(where, check(p, script))
    failures.end()
    assert fired, "no kill at all"
    return "%d kills of %d calls" % (fired, _calls) + (", %d changes at stake" % undone if journal else "")


def imap_kill_before(calls, rng):
    return kills(shim.KILL_BEFORE, 7, rng)


def imap_kill_after(calls, rng):
    return kills(shim.KILL_AFTER, 5, rng)


def imap_kill_within(calls, rng):
    return kills(shim.TORN, 5, rng, torn=rng.randint(1, 999))


def imap_power_failure(calls, rng):
    return kills(shim.KILL_AFTER, 8, rng, journal=True)


CASES = [imap_kill_before, imap_kill_after, imap_kill_within, imap_power_failure]
