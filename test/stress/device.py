"""A mail program's idea of the mailbox it selected, made of nothing but what it was told."""
import re
import time

import talk
from talk import Violation

HEADER = b"BODY[HEADER.FIELDS (X-STRESS)]"


class Entry:
    __slots__ = ("uid", "flags", "modseq", "id", "first")

    def __init__(self, first=False):
        self.uid = self.flags = self.id = None
        self.modseq = 0
        self.first = first  # it was there when the mailbox was selected


class Selected:
    def __init__(self, name, read_only):
        self.name, self.read_only = name, read_only
        self.view = []
        self.by_uid = {}
        self.uidvalidity = self.uidnext = self.opened = None  # opened: HIGHESTMODSEQ at SELECT
        self.recent = 0
        self.keywords = set()
        self.exists_told = False
        self.highest = 0  # RFC 7162 §3.2: as a client must keep it
        self.whole = True  # no known UIDs were given with QRESYNC
        self.resync = None  # UID: (flags, MODSEQ) while SELECT with QRESYNC goes on


class Device(talk.Talk):
    """Follows one connection. What it does is decided elsewhere (actions.py)."""

    def __init__(self, world, broken, account, name, port, condstore, qresync):
        super().__init__(name, broken)
        self.world, self.account, self.port = world, account, port
        self.condstore, self.qresync = condstore or qresync, qresync
        self.at = None  # what is selected
        self.opening = None  # what SELECT is about to select
        self.rest = {}  # UIDVALIDITY: (HIGHESTMODSEQ, UIDs) when all was still (truth.py)
        self.cache = {}  # name: what is kept when the connection goes (QRESYNC)
        self.keyword = "k-" + name

    async def login(self):
        self.at = self.opening = None
        await self.connect(self.port)
        c = await self.command("LOGIN %s@example.test secret" % self.account)
        if not c.ok:
            raise Violation("no login: " + c.text_told)
        if self.condstore:
            await self.command("ENABLE " + ("QRESYNC" if self.qresync else "CONDSTORE"))

    # ---- SELECT ----

    async def select(self, name, read_only=False, known=True, match=False):
        """False: there is no such mailbox. With QRESYNC it uses what it kept."""
        text = "%s %s" % ("EXAMINE" if read_only else "SELECT", name)
        self.opening = Selected(name, read_only)
        had, kept, whole = self.at is not None, self.cache.get(name), True
        if self.qresync and kept:
            uidvalidity, highest, rows = kept
            text += " (QRESYNC (%d %d" % (uidvalidity, highest)
            if known and rows:
                whole = False
                text += " 1:%d" % max(rows)
                if match:
                    pairs = list(enumerate(sorted(rows), 1))[::5]
                    text += " (%s %s)" % (talk.as_set(n for n, _ in pairs), talk.as_set(u for _, u in pairs))
            text += "))"
            self.opening.resync, self.opening.whole = dict(rows), whole
        if not had:
            self.at = None
        marks = self.marks()
        c = await self.command(text)
        if had and not c.closed:
            raise Violation("%s without [CLOSED]" % text)
        if not c.ok:
            self.at = self.opening = None
            self.cache.pop(name, None)
            return False
        self.check_marks(c, marks)
        if kept and self.qresync and kept[0] == self.at.uidvalidity:
            self.settle(whole)
        else:
            self.at.resync = None
        return True

    def marks(self):
        return dict(self.world.last_uid), dict(self.world.highest)

    def check_marks(self, c, marks):
        box, at = (self.account, self.at.uidvalidity), self.at
        self.world.note_next(box, at.uidnext, marks[0].get(box, 0))
        self.world.note_highest(box, at.opened, marks[1].get(box, 0))

    def settle(self, whole):
        """The difference was told: what is known now must be what is there (RFC 7162 §3.2.5)."""
        at, rows = self.at, self.at.resync
        first = [e for e in at.view if e.first]
        at.resync = None
        self.world.counts["resyncs"] += 1
        if len(rows) > len(first) or (whole and len(rows) != len(first)):
            raise Violation("QRESYNC left %d messages (%s), %d exist" % (
                len(rows), talk.as_set(rows)[:300], len(first)))
        for e, uid in zip(first, sorted(rows)):
            if e.uid is not None and e.uid != uid:
                raise Violation("QRESYNC: UID %d stands where %d was told" % (uid, e.uid))
            self.set_uid(e, uid)
            if rows[uid] and rows[uid][1] > e.modseq:
                e.flags, e.modseq = rows[uid]

    def keep(self):
        """What survives the connection."""
        at = self.at
        if at and self.qresync and at.uidvalidity and at.highest and not self.opening:
            rows = {e.uid: (e.flags, e.modseq) for e in at.view if e.uid and e.modseq}
            if all(e.uid and e.modseq for e in at.view):
                self.cache[at.name] = (at.uidvalidity, at.highest, rows)

    # ---- untagged responses ----

    def told(self, rest):
        text = rest.decode("utf-8", "replace")
        word, _, more = text.partition(" ")
        c = self.current
        if word.isdigit():
            self.told_number(int(word), more, rest, c)
        elif word == "VANISHED":
            self.told_vanished(more, c)
        elif word in ("OK", "NO"):
            self.told_code(more, c)
        elif word == "FLAGS":
            if self.here:
                self.here.keywords = set(more.strip("()").split())
        elif word == "SEARCH":
            c.search = [int(n) for n in re.sub(r"\(MODSEQ \d+\)", "", more).split()]
        elif word == "STATUS":
            items = talk.parse(re.search(rb"\(.*\)$", rest).group())
            c.status_items = {k.decode(): int(v) for k, v in zip(items[::2], items[1::2])}
        elif word == "BYE" and not self.expect_end:
            raise Violation("the server says " + text)

    @property
    def here(self):
        return self.opening if self.opening and not self.at else self.at

    def told_code(self, more, c):
        m = re.match(r"\[([A-Z]+)(?: ([^]]*))?\]", more)
        if not m or not c:
            return
        code, value = m.groups()
        if code == "CLOSED":
            c.closed, self.at = True, None
        elif code == "COPYUID":
            c.moved = value
        elif code in ("UIDVALIDITY", "UIDNEXT") and self.here:
            setattr(self.here, code.lower(), int(value))
        elif code == "HIGHESTMODSEQ" and self.here:
            c.highest = int(value)
            if self.here.opened is None:
                self.here.opened = self.here.highest = int(value)

    def told_number(self, n, more, rest, c):
        word = more.split(" ")[0]
        at = self.here
        if not at:
            raise Violation("%d %s, and nothing is selected" % (n, word))
        if word == "EXISTS":
            if n < len(at.view):
                raise Violation("EXISTS %d, and there were %d" % (n, len(at.view)))
            at.view += [Entry(not at.exists_told) for _ in range(n - len(at.view))]
            at.exists_told = True
            self.world.counts["exists"] += 1
        elif word == "RECENT":
            if n > len(at.view):
                raise Violation("RECENT %d of %d" % (n, len(at.view)))
            at.recent = n
        elif not 1 <= n <= len(at.view):
            raise Violation("%d %s, and there are %d" % (n, word, len(at.view)))
        elif word == "EXPUNGE":
            if self.qresync:
                raise Violation("EXPUNGE, and QRESYNC is enabled")
            self.may_expunge(c)
            self.remove(n - 1)
        elif word == "FETCH":
            self.told_fetch(n, talk.parse(rest[rest.index(b"("):]), c)
        else:
            raise Violation("unknown response " + word)

    def may_expunge(self, c):
        if not c:
            raise Violation("an expunge between commands")
        if not c.expunges:
            raise Violation("an expunge in response to " + c.text[:60])
        if self.literal:
            raise Violation("an expunge while a literal is outstanding")

    def remove(self, i):
        at = self.here
        e = at.view.pop(i)
        if e.uid is not None:
            del at.by_uid[e.uid]
            self.world.note_gone((self.account, at.uidvalidity, e.uid), time.monotonic())

    def told_vanished(self, more, c):
        earlier = more.startswith("(EARLIER) ")
        uids = talk.numbers(more.split(" ")[-1])
        at = self.here
        if not self.qresync:
            raise Violation("VANISHED, and QRESYNC is not enabled")
        if earlier:
            if c.name not in ("SELECT", "EXAMINE", "FETCH"):
                raise Violation("VANISHED (EARLIER) in response to " + c.text[:60])
            c.earlier += uids
            for uid in uids:
                if uid in at.by_uid:
                    raise Violation("VANISHED (EARLIER) of %d, which has a number" % uid)
                if at.resync and uid in at.resync:
                    del at.resync[uid]
                    self.world.note_gone((self.account, at.uidvalidity, uid), time.monotonic())
            return
        self.may_expunge(c)
        for uid in uids:
            if uid in at.by_uid:
                self.remove(at.view.index(at.by_uid[uid]))
                if at.resync:
                    at.resync.pop(uid, None)
                continue
            if at.resync:
                at.resync.pop(uid, None)
            self.remove(self.nameless(uid, uid < at.uidnext if self.opening else None))

    def nameless(self, uid, first):
        """The place of a UID that was never told: between its neighbours (RFC 3501 §2.3.1.1)."""
        at = self.here
        for i in reversed(range(len(at.view))):
            e = at.view[i]
            if e.uid is not None:
                if e.uid < uid:
                    break
            elif first is None or e.first == first:
                below = next((x.uid for x in reversed(at.view[:i]) if x.uid is not None), 0)
                if below < uid:
                    return i
        raise Violation("VANISHED of %d, which is not there" % uid)

    # ---- FETCH ----

    def set_uid(self, e, uid):
        if e.uid is None:
            if uid in self.here.by_uid:
                raise Violation("UID %d has two numbers" % uid)
            e.uid = uid
            self.here.by_uid[uid] = e
        elif e.uid != uid:
            raise Violation("UID %d where UID %d was told before" % (uid, e.uid))

    def told_fetch(self, n, items, c):
        if not c:
            raise Violation("FETCH between commands")
        at = self.here
        e = at.view[n - 1]
        got = dict(zip(items[::2], items[1::2]))
        if b"UID" in got:
            self.take_uid(n, e, int(got[b"UID"]), c)
        elif self.qresync and c.name != "FETCH":  # RFC 7162 §3.2.4
            raise Violation("a change is told without UID")
        key = (self.account, at.uidvalidity, e.uid) if e.uid else None
        if b"FLAGS" in got:
            self.take_flags(e, got, key)
        elif b"MODSEQ" in got:
            self.take_modseq(e, int(got[b"MODSEQ"][0]))
        if b"MODSEQ" in got:
            c.modseq = max(c.modseq, e.modseq)
        if HEADER in got:
            e.id = got[HEADER].split(b":", 1)[1].strip().decode()
            if key:
                self.world.note_id(key, e.id)
        if c.name == "FETCH":
            c.fetched.setdefault(n, {}).update(got)
            if e.uid:
                c.uids.setdefault(e.uid, {}).update(got)
        if at.resync is not None and e.first and b"FLAGS" in got and (at.whole or e.uid in at.resync):
            at.resync[e.uid] = (e.flags, e.modseq)
        elif at.resync is not None and e.first and at.whole:  # it has gone meanwhile: only that there is one
            at.resync.setdefault(e.uid, None)

    def take_uid(self, n, e, uid, c):
        view = self.here.view
        self.set_uid(e, uid)
        for other, below in ((n - 2, True), (n, False)):
            near = view[other].uid if 0 <= other < len(view) else None
            if near is not None and (near < uid) != below:
                raise Violation("UID %d beside UID %d" % (uid, near))
        since = c.sent if c.name != "IDLE" else None
        self.world.note_there((self.account, self.here.uidvalidity, uid), since)

    def take_modseq(self, e, modseq):
        if modseq < e.modseq:
            raise Violation("UID %s: MODSEQ %d behind %d" % (e.uid, modseq, e.modseq))
        e.modseq = modseq

    def take_flags(self, e, got, key):
        flags = frozenset(f.decode() for f in got[b"FLAGS"])
        unknown = {f for f in flags if not f.startswith("\\")} - self.here.keywords
        if unknown:
            raise Violation("keywords that FLAGS did not tell: " + " ".join(unknown))
        if e.flags is not None and "\\Recent" in flags and "\\Recent" not in e.flags:
            raise Violation("a message became \\Recent: UID %s" % e.uid)
        e.flags = flags
        if b"MODSEQ" in got:
            modseq = int(got[b"MODSEQ"][0])
            self.take_modseq(e, modseq)
            if key:
                self.world.note_flags(key, modseq, flags - {"\\Recent"})

    # ---- tagged replies ----

    def end(self, c):
        if c.name in ("SELECT", "EXAMINE"):
            if c.ok:
                if not self.at:
                    self.at = self.opening
            self.opening = None
        if c.name in ("CLOSE", "UNSELECT") and c.ok:
            self.at = None
        at = self.at
        m = re.match(r"HIGHESTMODSEQ (\d+)", c.code)
        if m:
            c.highest = int(m.group(1))
        if at and self.condstore:
            at.highest = c.highest if c.highest is not None else max(at.highest, c.modseq)
