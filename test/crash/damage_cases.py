"""Files that are damaged, foreign, from the future or not ours."""
import os
import shutil

import load
import server as support
from kill_cases import run_script
from place import Place, Skip

NO_RESTART = 78


def filled(p):
    """Some mail, then stopped in order."""
    p.start(shimmed=False)
    assert run_script(p, "mail")
    p.server.stop()
    wrong = p.check()
    assert not wrong, "before the damage: " + "; ".join(wrong)


def segment_of(p, name):
    """File and offset of a message in the segments."""
    mark = b"X-Crash: " + name.encode()
    folder = os.path.join(p.data, "segments")
    for file in sorted(os.listdir(folder)):
        path = os.path.join(folder, file)
        with open(path, "rb") as f:
            at = f.read().find(mark)
        if at >= 0:
            return path, at
    raise AssertionError("no segment holds " + name)


def change(path, at, how):
    with open(path, "r+b") as f:
        f.seek(at)
        old = f.read(1)
        f.seek(at)
        f.write(bytes([how(old[0])]))


def one_is_lost(p, name):
    """verify tells of it, a server starts and serves, all other mail is there word for word."""
    done = p.server.cli("verify", check=False)
    assert done.returncode == 1, "verify: exit %d: %s" % (done.returncode, done.stdout[-300:])
    p.ledger.damaged = True
    assert "blob" in done.stdout, "verify does not name it: " + done.stdout[-300:]
    p.start(shimmed=False)
    assert run_script(p, "then"), "the server does not serve: " + p.server.log()[-300:]
    assert p.server.log().count("event=ready") == 1, "the worker died: " + p.server.log()[-500:]
    p.server.stop()
    lines = p.dump().splitlines()
    broken = [line for line in lines if line.split()[3] == "?"]
    whole = "\n".join(line for line in lines if line.split()[3] != "?")
    for key in list(p.ledger.state):
        if key[1] == name:
            del p.ledger.state[key]
    wrong = p.ledger.problems(whole)
    assert broken and not wrong, "%d broken; %s" % (len(broken), "; ".join(wrong[:4]))


def flipped_bit_in_a_message(calls, rng):
    with Place() as p:
        filled(p)
        path, at = segment_of(p, "mail.three")
        change(path, at + rng.randint(0, 2000), lambda b: b ^ 1 << rng.randint(0, 7))
        one_is_lost(p, "mail.three")


def zeroed_block_in_a_message(calls, rng):
    with Place() as p:
        filled(p)
        path, at = segment_of(p, "mail.chunks")
        with open(path, "r+b") as f:
            f.seek(at + 100)
            f.write(bytes(8192))
        one_is_lost(p, "mail.chunks")


def flipped_bit_in_a_record_header(calls, rng):
    with Place() as p:
        filled(p)
        path, at = segment_of(p, "mail.three")
        with open(path, "rb") as f:
            start = f.read(at).rfind(b"bRec")
        change(path, start + 8 + rng.randint(0, 30), lambda b: b ^ 1 << rng.randint(0, 7))
        one_is_lost(p, "mail.three")


def segment_without_its_end(calls, rng):
    """The last message of the file is cut in its middle."""
    with Place() as p:
        filled(p)
        path, at = segment_of(p, "mail.last")
        os.truncate(path, at + 600)
        one_is_lost(p, "mail.last")


def large_message_without_its_end(calls, rng):
    with Place() as p:
        filled(p)
        path, at = segment_of(p, "mail.large")
        os.truncate(path, at + 1000000)
        one_is_lost(p, "mail.large")


def missing_segment(calls, rng):
    with Place() as p:
        filled(p)
        path, _ = segment_of(p, "mail.large")
        os.unlink(path)
        one_is_lost(p, "mail.large")


def leftovers(calls, rng):
    """Files of a crash that nothing refers to are removed."""
    with Place() as p:
        filled(p)
        made = [os.path.join(p.data, n) for n in ("segments/00000000000000ff", "segments/0000000000000100.new", "tmp/x")]
        who = support.owner()
        for path in made:
            with open(path, "wb") as f:
                f.write(b"bRec" + bytes(100000))
            os.chown(path, who.pw_uid, who.pw_gid)
        wrong = p.check()
        wrong += [path + " is still there" for path in made if os.path.exists(path)]
        assert not wrong, "; ".join(wrong)


# ---- what cannot be served ----


def refuses(p, code, *words):
    """serve ends by itself with this code and one clear line; nothing in the folder is changed."""
    before = sorted(os.listdir(os.path.join(p.data, "segments")))
    p.start(shimmed=False, ready=False)
    got = p.wait_end()
    log = p.server.log()
    assert got == code, "exit %d instead of %d: %s" % (got, code, log[-500:])
    assert any(all(w in line for w in words) for line in log.splitlines()), "no line with %s: %s" % (words, log[-500:])
    assert "signal=" not in log and "assert" not in log.lower(), log[-500:]
    after = sorted(os.listdir(os.path.join(p.data, "segments")))
    assert before == after, "segments were removed"


def not_a_clean_verify(p):
    done = p.server.cli("verify", check=False)
    assert done.returncode in (1, 2, 4) and done.stderr.strip(), "verify: exit %d, says %r" % (
        done.returncode, done.stderr)


def spoil(what):
    def case(calls, rng):
        with Place() as p:
            filled(p)
            what(os.path.join(p.data, "data.mdb"))
            refuses(p, 1, "data.mdb")
            not_a_clean_verify(p)
    return case


def zero(path):
    with open(path, "r+b") as f:
        f.write(bytes(os.path.getsize(path)))


index_of_zeros = spoil(zero)
index_of_zeros.__name__ = "index_of_zeros"
missing_index = spoil(os.unlink)
missing_index.__name__ = "missing_index"
empty_index = spoil(lambda path: os.truncate(path, 0))
empty_index.__name__ = "empty_index"
index_without_its_end = spoil(lambda path: os.truncate(path, os.path.getsize(path) // 2 // 4096 * 4096))
index_without_its_end.__name__ = "index_without_its_end"


def newer_format(calls, rng):
    with Place() as p:
        filled(p)
        with open(os.path.join(p.data, "format"), "w") as f:
            f.write("barid store 2\n")
        refuses(p, NO_RESTART, "format 2", "newer barid")
        not_a_clean_verify(p)


def foreign_format(calls, rng):
    with Place() as p:
        filled(p)
        with open(os.path.join(p.data, "format"), "w") as f:
            f.write("something else\n")
        refuses(p, NO_RESTART, "not a store")


def second_server(calls, rng):
    with Place() as p:
        p.start(shimmed=False)
        second = support.Server(folder=p.folder, more="")
        second.write_config(support.CONFIG % dict(hostname="mx.example.test", data=p.data, folder=p.folder + "/2",
                                                  smtp='"127.0.0.1:0"', more=""))
        os.mkdir(p.folder + "/2")
        second.log_path = p.folder + "/2/log"
        second.start(ready=False)
        code = second.process.wait(support.PATIENCE)
        log = second.log()
        assert code == NO_RESTART and "another process" in log, "exit %d: %s" % (code, log[-300:])
        assert run_script(p, "first"), "the first server was disturbed"
        p.server.stop()
        wrong = p.check()
        assert not wrong, "; ".join(wrong)


def read_only_folder(calls, rng):
    with Place() as p:
        filled(p)
        for name in ("data.mdb", "lock"):
            os.chmod(os.path.join(p.data, name), 0o400)
        os.chmod(p.data, 0o500)
        try:
            refuses(p, NO_RESTART, "data_dir")
        finally:
            os.chmod(p.data, 0o700)


def files_of_another_owner(calls, rng):
    if os.geteuid():
        raise Skip("needs root")
    with Place() as p:
        filled(p)
        for name in ("data.mdb", "data.mdb-lock", "lock"):
            os.chown(os.path.join(p.data, name), 0, 0)
        refuses(p, NO_RESTART, "data_dir")


def folder_of_root(calls, rng):
    if os.geteuid():
        raise Skip("needs root")
    with Place() as p:
        filled(p)
        os.chown(p.data, 0, 0)
        refuses(p, 2, "belongs to root")


def symlinked_parts(calls, rng):
    """Parts of the store that lead elsewhere are refused."""
    with Place() as p:
        filled(p)
        elsewhere = os.path.join(p.folder, "elsewhere")
        shutil.move(os.path.join(p.data, "tmp"), elsewhere)
        os.symlink(elsewhere, os.path.join(p.data, "tmp"))
        refuses(p, NO_RESTART, "tmp")


CASES = [flipped_bit_in_a_message, zeroed_block_in_a_message, flipped_bit_in_a_record_header, segment_without_its_end,
         large_message_without_its_end, missing_segment, leftovers, index_of_zeros, missing_index, empty_index,
         index_without_its_end, newer_format, foreign_format, second_server, read_only_folder,
         files_of_another_owner, folder_of_root, symlinked_parts]
