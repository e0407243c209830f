"""An IMAP client and the state that it must find again: what was acknowledged, and of the one command that was
under way nothing, all, or as many messages as its kind allows."""
import copy
import hashlib
import os
import re
import sys

import load

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stress"))
from talk import as_set, numbers, parse  # noqa: E402

MANY = 1100  # more than a batch
WHO = "alice"
HEAD = b"X-Crash: %s\r\nFrom: <a@example.test>\r\nSubject: %s\r\n\r\n"


class Imap(load.Client):
    def __init__(self, port):
        super().__init__(port)
        self.count = 0
        self.bytes()
        self.must("LOGIN %s@%s %s" % (WHO, load.DOMAIN, load.PASSWORD))

    def bytes(self):
        """One response with its literals."""
        raw = self.file.readline()
        while m := re.search(rb"\{(\d+)\}\r\n$", raw):
            raw += self.file.read(int(m.group(1))) + self.file.readline()
        if not raw.endswith(b"\r\n"):
            raise EOFError("connection closed")
        return raw[:-2]

    def command(self, text, literal=None):
        """(status, code, untagged responses)"""
        self.count += 1
        tag, untagged = b"c%d" % self.count, []
        if literal is not None:
            text += " {%d+}" % len(literal)
        self.send(tag + b" " + text.encode() + b"\r\n" + (b"" if literal is None else literal + b"\r\n"))
        while True:
            raw = self.bytes()
            if raw.startswith(tag + b" "):
                m = re.match(r"\S+ (OK|NO|BAD) (?:\[([^]]*)\])?", raw.decode())
                return m.group(1), m.group(2) or "", untagged
            untagged.append(raw)

    def must(self, text, literal=None):
        status, code, untagged = self.command(text, literal)
        if status != "OK":
            raise AssertionError("%s: %s [%s]" % (text[:80], status, code))
        return code, untagged


class Box:
    def __init__(self):
        self.uidnext, self.rows = 1, {}  # UID: (digest of the message, flags)
        self.uidvalidity = None


class State:
    """All of an account. Equal: the same names, subscriptions, UIDs, messages, flags."""

    def __init__(self):
        self.boxes, self.subscribed = {}, set()

    def copy(self):
        return copy.deepcopy(self)

    def difference(self, other):
        """In words what `other`, which was read, has that this has not; empty: nothing."""
        if set(self.boxes) != set(other.boxes):
            return "mailboxes %s" % sorted(set(self.boxes) ^ set(other.boxes))
        if self.subscribed != other.subscribed:
            return "subscriptions %s" % sorted(self.subscribed ^ other.subscribed)
        for name, box in self.boxes.items():
            there = other.boxes[name]
            if box.uidvalidity and box.uidvalidity != there.uidvalidity:
                return "UIDVALIDITY of " + name
            if set(box.rows) != set(there.rows):
                return "%s: %d messages, not %d: UIDs %s" % (
                    name, len(there.rows), len(box.rows), as_set(set(box.rows) ^ set(there.rows))[:200])
            for uid, row in box.rows.items():
                if row != there.rows[uid]:
                    return "%s: UID %d is %s, not %s" % (name, uid, there.rows[uid], row)
        return ""


def read_state(port):
    state = State()
    with Imap(port) as c:
        for verb in ("LIST", "LSUB"):
            for raw in c.must('%s "" *' % verb)[1]:
                name = raw.decode().rsplit(" ", 1)[1].strip('"')
                if verb == "LSUB":
                    state.subscribed.add(name)
                elif b"\\Noselect" not in raw and b"\\NonExistent" not in raw:
                    state.boxes[name] = Box()
        for name, box in state.boxes.items():
            _, told = c.must("EXAMINE " + name)
            box.uidvalidity = int(re.search(rb"UIDVALIDITY (\d+)", b" ".join(told)).group(1))
            box.uidnext = int(re.search(rb"UIDNEXT (\d+)", b" ".join(told)).group(1))
            for raw in c.must("UID FETCH 1:* (FLAGS BODY.PEEK[])")[1]:
                if b" FETCH (" in raw:
                    items = parse(raw[raw.index(b"("):])
                    got = dict(zip(items[::2], items[1::2]))
                    flags = frozenset(f.decode() for f in got[b"FLAGS"]) - {"\\Recent"}
                    box.rows[int(got[b"UID"])] = digest(got[b"BODY[]"]), flags
    return state


def digest(message):
    return hashlib.sha256(message).hexdigest()[:16]


# ---- the script: each step changes the state as it must, and sends its command ----


class Script:
    """at: the state that was acknowledged; steps: all that may be there now, as long as it is unknown."""

    def __init__(self, state, uids=True):
        self.at, self.steps, self.doing, self.uids = state, [state], "nothing", uids

    def begin(self, doing, *steps):
        """The states that the command goes through; the last one is its end."""
        self.doing, self.steps = doing, [self.at, *steps]

    def end(self):
        self.at = self.steps[-1]
        self.steps = [self.at]

    def problems(self, found):
        differences = [s.difference(found) for s in self.steps]
        if not all(differences):
            return []
        return ["%s: neither before (%s) nor after (%s)" % (self.doing, differences[0], differences[-1])]

    # ---- steps ----

    def named(self, c, text, change):
        after = self.at.copy()
        change(after)
        self.begin(text, after)
        c.must(text)
        self.end()

    def create(self, c, name):
        self.named(c, "CREATE " + name, lambda s: s.boxes.__setitem__(name, Box()))

    def delete(self, c, name):
        self.named(c, "DELETE " + name, lambda s: s.boxes.pop(name))

    def subscribe(self, c, name):
        self.named(c, "SUBSCRIBE " + name, lambda s: s.subscribed.add(name))

    def unsubscribe(self, c, name):
        self.named(c, "UNSUBSCRIBE " + name, lambda s: s.subscribed.discard(name))

    def rename(self, c, old, new):
        def change(s):
            s.boxes[new] = s.boxes.pop(old)
            if old in s.subscribed:  # which goes along
                s.subscribed = s.subscribed - {old} | {new}
        self.named(c, "RENAME %s %s" % (old, new), change)

    def append(self, c, box, name, size=100, flags=()):
        message = HEAD % (name.encode(), name.encode()) + b"x" * size + b"\r\n"
        after = self.at.copy()
        b = after.boxes[box]
        b.rows[b.uidnext] = digest(message), frozenset(flags)
        b.uidnext += 1
        self.begin("APPEND %s %s" % (box, name), after)
        code, _ = c.must("APPEND %s (%s)" % (box, " ".join(flags)), message)
        assert code.split()[::2] == ["APPENDUID", str(b.uidnext - 1)], code
        self.end()

    def select(self, c, box):
        self.box = box
        c.must("SELECT " + box)

    def prefixes(self, uids, change):
        """One state for each number of messages that are done, in the order of their UIDs. Only those are kept
        that a command in batches can leave."""
        states, now = [], self.at
        for i in range(0, len(uids), 1000):
            now = now.copy()
            for uid in uids[i:i + 1000]:
                change(now, uid)
            states.append(now)
        return states

    def store(self, c, uids, flag):
        def change(s, uid):
            sha, flags = s.boxes[self.box].rows[uid]
            s.boxes[self.box].rows[uid] = sha, flags | {flag}
        self.begin("STORE of %d" % len(uids), *self.prefixes(uids, change))
        c.must("UID STORE %s +FLAGS.SILENT (%s)" % (as_set(uids), flag))
        self.end()

    def expunge(self, c, uids):
        """uids: all that have \\Deleted."""
        self.begin("EXPUNGE of %d" % len(uids),
                   *self.prefixes(uids, lambda s, uid: s.boxes[self.box].rows.pop(uid)))
        c.must("UID EXPUNGE " + as_set(uids) if len(uids) < 100 else "EXPUNGE")
        self.end()

    def transfer(self, s, uid, to, move):
        rows, target = s.boxes[self.box].rows, s.boxes[to]
        target.rows[target.uidnext] = rows.pop(uid) if move else rows[uid]
        target.uidnext += 1

    def copy(self, c, uids, to):
        after = self.at.copy()
        for uid in uids:
            self.transfer(after, uid, to, False)
        self.begin("COPY of %d" % len(uids), after)
        self.check_pairs(c.must("UID COPY %s %s" % (as_set(uids), to))[0], uids, to)
        self.end()

    def move(self, c, uids, to):
        self.begin("MOVE of %d" % len(uids),
                   *self.prefixes(uids, lambda s, uid: self.transfer(s, uid, to, True)))
        told = b"\n".join(c.must("UID MOVE %s %s" % (as_set(uids), to))[1]).decode()
        self.check_pairs(re.search(r"COPYUID [^]]*", told).group(), uids, to)
        self.end()

    def check_pairs(self, code, uids, to):
        _, _, sources, targets = code.split()
        end = self.steps[-1].boxes[to].uidnext
        want = list(range(end - len(uids), end))
        assert numbers(sources) == uids and numbers(targets) == want, "COPYUID is " + code[:200]

    def run(self, port):
        """Every kind of change once. Raises load.LOST when the server goes."""
        with Imap(port) as c:
            self.create(c, "Work")
            self.subscribe(c, "Work")
            for i in range(6):
                self.append(c, "INBOX", "m%d" % i, flags=("\\Seen",) * (i % 2))
            self.append(c, "Work", "spooled", 300000, ("\\Flagged", "$Big"))
            self.select(c, "INBOX")
            self.store(c, [1, 2, 3], "\\Flagged")
            self.store(c, [2], "keyword")
            self.copy(c, [1, 2, 4], "Work")
            self.move(c, [2, 3], "Work")
            self.store(c, [4, 5], "\\Deleted")
            self.expunge(c, [4, 5])
            self.rename(c, "Work", "Done")
            self.select(c, "Big")
            every = list(range(1, MANY + 1))
            self.copy(c, every, "Done")
            self.store(c, every, "\\Answered")
            self.create(c, "Many")
            self.move(c, every, "Many")
            self.select(c, "Many")
            self.store(c, every, "\\Deleted")
            self.expunge(c, every)
            self.delete(c, "Done")
            self.unsubscribe(c, "Done")


def fill(port):
    """The mailbox that the long commands are about."""
    with Imap(port) as c:
        c.must("CREATE Big")
        c.must("APPEND Big ($Big)", HEAD % (b"big", b"big") + b"big\r\n")
        c.must("SELECT Big")
        n = 1
        while n < MANY:
            more = min(n, MANY - n)
            c.must("COPY 1:%d Big" % more)
            n += more
