"""Steers shim.c and undoes what a power failure takes back."""
import errno
import mmap
import os
import random
import struct

BUILD = os.environ.get("BUILD", os.path.join(os.path.dirname(__file__), "../../build"))
LIBRARY = os.path.join(BUILD, "test/crash/crash-shim.so")
DUMP = os.path.join(BUILD, "test/crash/crash-dump")
STORE = os.path.join(BUILD, "test/crash/crash-store")

WRITE, SYNC, ALLOCATE, TRUNCATE, NAME, CREATE, READ = 1, 2, 4, 8, 16, 32, 64
ALL = 63  # that change something
NAMES = {WRITE: "write", SYNC: "sync", ALLOCATE: "fallocate", TRUNCATE: "ftruncate", NAME: "name", CREATE: "create",
         READ: "read"}
COUNT, KILL_BEFORE, KILL_AFTER, TORN, FAIL, SHORT, LIE = range(7)
ACTIONS = {KILL_BEFORE: "before", KILL_AFTER: "after", TORN: "within"}
FOREVER = (1 << 64) - 1

HEAD = struct.Struct("=QQQIIIIIIII")  # struct shim_state
SIZE = HEAD.size + 65536
BLOCK = 4096


class Shim:
    """One state file, and the environment of a server that obeys it."""

    def __init__(self, folder, journal=False, alone=False):
        self.path = os.path.join(folder, "state")
        self.journal = os.path.join(folder, "journal") if journal else None
        with open(self.path, "wb") as f:
            f.write(bytes(SIZE))
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), SIZE)
        self.alone = alone
        self.set(alone=alone)
        self.env = {"LD_PRELOAD": LIBRARY, "CRASH_STATE": self.path}
        if journal:
            self.env["CRASH_JOURNAL"] = self.journal

    FIELDS = ("calls", "at", "last", "action", "kinds", "error", "torn", "fired", "spare", "alone", "fired_kind")

    def get(self, name):
        return HEAD.unpack(self.map[:HEAD.size])[self.FIELDS.index(name)]

    def set(self, **fields):
        """Field by field: the server is counting meanwhile."""
        for name, value in fields.items():
            i = self.FIELDS.index(name)
            at, form = (8 * i, "=Q") if i < 3 else (24 + 4 * (i - 3), "=I")
            self.map[at:at + struct.calcsize(form)] = struct.pack(form, value)

    def arm(self, action, at, kinds=ALL, last=None, error=0, torn=500, spare=False):
        """at: 1 is the next call of these kinds."""
        self.set(at=0, kinds=kinds, action=action, error=error, torn=torn, spare=spare, fired=0, calls=0)
        self.set(last=at if last is None else last, at=at)

    def disarm(self):
        self.set(at=0)

    def fired(self):
        return self.get("fired")

    def what(self):
        return NAMES.get(self.get("fired_kind"), "none")

    def trace(self):
        """The kinds of calls 1 ..."""
        return self.map[HEAD.size + 1:HEAD.size + 1 + self.get("calls")]

    def close(self):
        self.map.close()
        self.file.close()


ENOSPC, EIO = errno.ENOSPC, errno.EIO


# ---- power failure ----

def read_journal(path):
    """(position, op, file, a, b, size, bytes) of each record."""
    with open(path, "rb") as f:
        data = f.read()
    at, records = 0, []
    while at < len(data):
        end = data.index(b"\n", at)
        op, dev, ino, a, b, size, n = data[at:end].split()
        n = int(n)
        records.append((at, op, (int(dev), int(ino)), int(a), int(b), int(size), data[end + 1:end + 1 + n]))
        at = end + 1 + n
    return records


def unsynced(records):
    """Of each file, what came behind the last sync; names whose folder was not synced since."""
    synced = {}
    for at, op, file, mark, *_ in records:
        if op == b"s":
            synced[file] = max(synced.get(file, 0), mark)
    changes, names = {}, []
    for record in records:
        at, op, file, a, *_ = record
        if op in (b"w", b"t") and at >= synced.get(file, 0):
            changes.setdefault(file, []).append(record)
        elif op == b"c" and at >= synced.get((file[0], a), 0):
            names.append(record)
    return changes, names


def lose_power(folder, journal, rng):
    """Each block of each file becomes what it was at some moment since the file was synced; new names may be
    lost. Returns how many changes there were to choose from."""
    changes, names = unsynced(read_journal(journal))
    paths = {}
    for top, _, files in os.walk(folder):
        for name in files:
            st = os.lstat(os.path.join(top, name))
            paths[(st.st_dev, st.st_ino)] = os.path.join(top, name)
    for file, records in changes.items():
        if file in paths:
            undo(paths[file], records, rng)
    for record in names:
        if record[2] in paths and rng.random() < 0.5:
            os.unlink(paths[record[2]])
            del paths[record[2]]
    return sum(map(len, changes.values())) + len(names)


def undo(path, records, rng):
    everything = rng.random() < 0.3  # often nothing at all had reached the disk
    kept = {}  # block: how many of the changes it has seen

    def keeps(block, i):
        if block not in kept:
            kept[block] = 0 if everything else rng.randint(0, len(records))
        return i < kept[block]

    with open(path, "r+b") as f:
        for i in reversed(range(len(records))):
            _, op, _, at, n, size, old = records[i]
            if op == b"t":
                if not keeps("size", i):
                    f.truncate(size)
                continue
            end = at + n
            while at < end:
                part = min(end, at - at % BLOCK + BLOCK) - at
                if not keeps(at // BLOCK, i):
                    from_ = at - (end - n)
                    f.seek(at)
                    f.write(old[from_:from_ + part].ljust(part, b"\0"))
                at += part
        grown = [r for r in records if r[1] == b"w" and r[3] + r[4] > r[5]]
        if grown and not keeps("size", 0):
            f.truncate(grown[0][5])


def seed():
    return int(os.environ.get("SEED") or random.SystemRandom().randrange(1 << 32))
