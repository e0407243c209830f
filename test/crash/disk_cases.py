"""Full and broken disks under a server that lives."""
import os
import select
import socket

import load
import shim
from kill_cases import Failures, count_calls, run_script, spread
from place import Place, Skip

MESSAGE = 300000


def deliver(p, name, size=2000, who=("alice",)):
    with load.Smtp(p.server.ports["smtp"], p.ledger) as c:
        return c.data(load.Message(name, size, who))[0]


def full_at_a_call(calls, rng):
    """Any write may find the disk full: that message is refused, the worker goes on."""
    failures, refused, kinds = Failures(), 0, shim.WRITE | shim.ALLOCATE | shim.CREATE
    for k in spread(count_calls(kinds), 16, rng):
        with Place() as p:
            p.start()
            p.shim.arm(shim.FAIL, k, kinds, error=shim.ENOSPC)
            whole = run_script(p, "full")
            refused += bool(p.shim.fired())
            if "meta page" in p.server.log():  # LMDB goes on only after it was opened again
                p.server.wait_log("event=ready", 2)
            elif not whole or p.server.log().count("event=ready") != 1:
                failures.add("call %d" % k, ["the worker did not live on: " + p.server.log()[-400:]])
            if p.server.process.poll() is None:
                reply = deliver(p, "after")
                failures.add("call %d" % k, [] if reply.startswith("250") else ["then " + reply])
            p.kill()
            failures.add("call %d" % k, p.check())
    failures.end()
    return "%d times full" % refused


def free(p):
    st = os.statvfs(p.data)
    return st.f_bavail * st.f_frsize


def fill(p):
    """A file of somebody else takes all that is free."""
    path = os.path.join(p.data, "filler")
    with open(path, "ab") as f:
        while free(p):
            try:
                os.write(f.fileno(), b"x" * min(1 << 20, free(p)))
            except OSError:
                break
    return path


def disk_full(calls, rng):
    """A real one. Refused with 452 4.3.1; then deleting works; then there is room, and mail flows again."""
    with Place(disk="80m") as p:
        p.start(shimmed=False)
        pid = p.server.worker_pid()
        assert deliver(p, "first").startswith("250")
        filler, n, replies = fill(p), 0, []
        while not (replies and replies[-1].startswith("452")) and n < 400:
            n += 1
            replies.append(deliver(p, "full%d" % n, MESSAGE, ("alice", "bob")))
        assert replies[-1].startswith("452 4.3.1"), "a full disk answers " + replies[-1]
        with load.Smtp(p.server.ports["smtp"], p.ledger) as c:
            assert c.command("NOOP").startswith("250"), c.last
        note = "no POP3"
        if load.has_pop3(p.server):
            with load.Pop3(p.server.ports["pop3"], p.ledger, "alice") as c:
                c.delete([1])
            note = "deleted on the full disk"
        os.unlink(filler)
        p.server.wait_log("store.space.back", p.server.log().count("store.space.short"))
        reply = deliver(p, "room")
        assert reply.startswith("250"), "with room again: " + reply
        assert p.server.worker_pid() == pid, "another worker"
        p.kill()
        wrong = p.check()
        assert not wrong, "; ".join(wrong)
        return note


def fails(rng, kinds, actions, wanted):
    failures, fired, ended = Failures(), 0, 0
    for k in spread(count_calls(kinds), wanted, rng):
        with Place() as p:
            p.start()
            p.shim.arm(rng.choice(actions), k, kinds, error=shim.EIO)
            run_script(p, "eio")
            fired += bool(p.shim.fired())
            if "store failed" in p.server.log():
                ended += 1
                p.server.wait_log("event=ready", 2)
            if not run_script(p, "again"):
                failures.add("call %d" % k, ["it does not serve: " + p.server.log()[-300:]])
            p.kill()
            failures.add("call %d (%s)" % (k, p.shim.what()), p.check())
    failures.end()
    assert fired and ended, "%d calls failed, %d workers ended" % (fired, ended)
    return "%d calls failed, %d workers ended" % (fired, ended)


def sync_fails(calls, rng):
    """No 250; the worker ends, the next one reads the truth from the disk."""
    return fails(rng, shim.SYNC, (shim.FAIL,), 10)


def write_fails(calls, rng):
    """EIO or half a write, at any call: nothing that was promised is lost."""
    kinds = shim.WRITE | shim.ALLOCATE | shim.TRUNCATE | shim.CREATE
    return fails(rng, kinds, (shim.FAIL, shim.SHORT), 14)


def read_fails(calls, rng):
    """Of one message: an error for that one, and the connection and everybody else live on."""
    with Place() as p:
        p.start()
        if not load.has_pop3(p.server):
            raise Skip("no POP3")
        assert deliver(p, "one", MESSAGE, ("alice",)).startswith("250")
        p.ledger.damaged = True
        p.shim.arm(shim.FAIL, 1, shim.READ, last=shim.FOREVER, error=shim.EIO)
        with load.Pop3(p.server.ports["pop3"], p.ledger, "alice") as c:
            assert c.name(1) is None, "read in spite of EIO"
            assert p.shim.fired()
            assert deliver(p, "two").startswith("250"), "mail is not taken"
            p.shim.disarm()
            assert c.name(1) == "one", "not read when the disk is well again"
        assert p.server.log().count("event=ready") == 1, "the worker ended"
        p.kill()
        wrong = p.check()
        assert not wrong, "; ".join(wrong)


def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def busy(pid):
    """CPU time used, s."""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def no_descriptors(calls, rng):
    """Whoever is connected is served; the others wait without a busy loop; then they are served."""
    with Place() as p:
        p.start(shimmed=False)
        assert deliver(p, "before").startswith("250")
        limit = str(descriptors(p.server.worker_pid()) + 8)
        p.server.stop()
        p.start(shimmed=False, before=["prlimit", "--nofile=%s:%s" % (limit, limit)])
        pid = p.server.worker_pid()
        smtp = p.server.ports["smtp"]
        with load.Smtp(smtp, p.ledger) as c:
            crowd = [socket.create_connection(("127.0.0.1", smtp)) for _ in range(40)]
            used = busy(pid)
            for _ in range(10):
                assert c.command("NOOP").startswith("250"), c.last
                select.select([], [], [], 0.1)
            assert c.data(load.Message("within", 2000, ["alice"]))[0].startswith("250"), c.last
            assert busy(pid) - used < 0.5, "%.2f s of CPU in a second of nothing" % (busy(pid) - used)
            for s in crowd:
                s.close()
            reply = deliver(p, "after")
            assert reply.startswith("250"), reply
        assert p.server.log().count("event=ready") == 1, "the worker ended"
        p.kill()
        wrong = p.check()
        assert not wrong, "; ".join(wrong)


CASES = [full_at_a_call, disk_full, sync_fails, write_fails, read_fails, no_descriptors]
