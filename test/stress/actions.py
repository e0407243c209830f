"""What devices do: each action is one or a few commands and what must be true of their answers."""
import asyncio
import re

import talk
from device import HEADER
from talk import Violation

BASE = ("INBOX", "Work", "Lists", "Big")
FLAGS = ("\\Seen", "\\Flagged", "\\Answered", "\\Draft")
FULL = 400  # messages: from here on more is deleted than made


class Actor:
    """One device at work until the end; the gate stops it for a while."""

    def __init__(self, device, rng, gate):
        self.d, self.rng, self.gate, self.n = device, rng, gate, 0
        self.world, self.account = device.world, device.account
        self.made = 0

    # ---- picking ----

    def key(self, uid):
        return self.account, self.d.at.uidvalidity, uid

    def some(self, most=8):
        """Neighbours of the view, now and then all: numbers."""
        count = len(self.d.at.view)
        if not count:
            return []
        if self.rng.random() < 0.03:
            return list(range(1, count + 1))
        first = self.rng.randint(1, count)
        return list(range(first, min(count, first + self.rng.randrange(most)) + 1))

    def names(self):
        return list(BASE) + sorted(self.gate.folders[self.account])

    def known(self, numbers):
        """Of these the entries whose UID and name are known."""
        return [(n, e) for n in numbers for e in [self.d.at.view[n - 1]] if e.uid and e.id]

    def message(self, size=None):
        self.made += 1
        name = "%s-%d" % (self.d.name, self.made)
        size = size or self.rng.choice((10, 100, 100, 1000, 5000))
        return name, ("X-Stress: %s\r\nFrom: <a@example.test>\r\nSubject: %s\r\n\r\n" % (name, name)).encode() + \
            b"x" * size + b"\r\n"

    # ---- reading ----

    async def open(self, name=None):
        d, rng = self.d, self.rng
        name = name or rng.choices(self.names(), [6, 4, 3, 1] + [1] * len(self.gate.folders[self.account]))[0]
        d.keep()
        used = d.qresync and name in d.cache
        known = rng.random() < 0.5
        if not await d.select(name, rng.random() < 0.1, known, known and rng.random() < 0.5):
            return
        if used and rng.random() < 0.5:
            await self.compare()
        elif d.qresync or rng.random() < 0.5:
            await self.learn()

    async def compare(self):
        """After a QRESYNC: what was not told was not there (RFC 7162 §3.2.5)."""
        d = self.d
        before = {e.uid: e.modseq for e in d.at.view if e.uid}
        c = await d.command("UID FETCH 1:* (FLAGS)")
        for uid, items in c.uids.items():
            modseq = int(items.get(b"MODSEQ", [0])[0]) if b"MODSEQ" in items else d.at.by_uid[uid].modseq \
                if uid in d.at.by_uid else 0
            if uid in before and before[uid] < modseq <= d.at.opened:
                raise Violation("QRESYNC up to %d did not tell MODSEQ %d of UID %d (kept: %d)" % (
                    d.at.opened, modseq, uid, before[uid]))
        await self.learn()

    async def learn(self):
        """UID, flags and name of what has none yet."""
        d = self.d
        missing = [n for n, e in enumerate(d.at.view, 1) if e.uid is None or e.id is None or e.flags is None]
        if not missing:
            return
        if len(missing) > 300 and self.rng.random() < 0.7 and not d.qresync:
            missing = missing[:100]
        modseq = " MODSEQ" if d.condstore else ""
        c = await d.command("FETCH %s (UID FLAGS%s BODY.PEEK[HEADER.FIELDS (X-STRESS)])" % (
            talk.as_set(missing), modseq))
        self.whole(c, missing)

    def whole(self, c, numbers):
        """OK to a FETCH by numbers: all were there (their numbers cannot have changed meanwhile)."""
        missing = set(numbers) - set(c.fetched)
        if c.ok and missing:
            raise Violation("OK, and no FETCH of number %s" % talk.as_set(missing))
        if not c.ok and (c.code != "EXPUNGEISSUED" or not missing):
            raise Violation("%s, %d missing: %s %s" % (c.text[:50], len(missing), c.code, c.text_told))

    async def fetch(self):
        numbers = self.some(30)
        if numbers:
            self.whole(await self.d.command("FETCH %s (UID FLAGS INTERNALDATE)" % talk.as_set(numbers)), numbers)

    async def fetch_uids(self):
        """What OK leaves out is gone, and that was told."""
        d = self.d
        numbers = self.some(60)
        uids = [d.at.view[n - 1].uid for n in numbers if d.at.view[n - 1].uid]
        if not uids:
            return
        c = await d.command("UID FETCH %s (FLAGS RFC822.SIZE)" % talk.as_set(uids))
        left = {u for u in uids if u in d.at.by_uid} - set(c.uids)
        if c.ok and left:
            raise Violation("OK, and no FETCH of UID %s" % talk.as_set(left))

    async def read(self):
        """Implicit \\Seen."""
        for n, e in self.known(self.some(3))[:2]:
            if e.uid in self.d.at.by_uid:
                c = await self.d.command("UID FETCH %d (BODY[] FLAGS)" % e.uid)
                body = c.uids.get(e.uid, {}).get(b"BODY[]")
                if body is not None and ("X-Stress: " + e.id).encode() not in body[:2000]:
                    raise Violation("another message's body: UID %d is %s" % (e.uid, e.id))

    async def since(self):
        """CHANGEDSINCE gives what is newer and nothing else."""
        d = self.d
        if not d.condstore or not d.at.view:
            return
        modseqs = sorted(e.modseq for e in d.at.view if e.modseq)
        if not modseqs:
            return
        since = self.rng.choice(modseqs)
        before = {e.uid for e in d.at.view if e.uid and e.modseq > since}
        known = {e.uid for e in d.at.view if e.uid}
        vanished = " VANISHED" if d.qresync else ""
        c = await d.command("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d%s)" % (since, vanished))
        for uid, items in c.uids.items():
            if int(items.get(b"MODSEQ", [since + 1])[0]) <= since:
                raise Violation("CHANGEDSINCE %d: UID %d has %s" % (since, uid, items[b"MODSEQ"]))
        left = {u for u in before if u in d.at.by_uid} - set(c.uids)
        if left:
            raise Violation("CHANGEDSINCE %d left out UID %s" % (since, talk.as_set(left)))
        for uid in set(c.earlier) & set(d.at.by_uid):
            raise Violation("VANISHED (EARLIER) of UID %d, which is there" % uid)
        self.world.counts["changedsince"] += len(known)

    # ---- flags ----

    async def store(self):
        d, rng = self.d, self.rng
        picked = [(n, e) for n, e in self.known(self.some(20))]
        if not picked or d.at.read_only:
            return
        how = rng.choices(("+", "-", ""), (5, 4, 1))[0]
        flags = rng.sample(FLAGS, rng.randint(0, 2)) + ([d.keyword] if rng.random() < 0.7 else [])
        flags = flags or [d.keyword]
        uid, silent = rng.random() < 0.5, rng.random() < 0.3
        cond = ""
        if d.condstore and rng.random() < 0.3:
            limit = max(0, rng.choice(picked)[1].modseq - rng.choice((0, 0, 1)))
            cond = " (UNCHANGEDSINCE %d)" % limit
        keys = {self.key(e.uid): e for _, e in picked}
        self.world.set_keyword(keys, d.keyword, None)
        if not how:
            self.world.fuzzy.update(keys)
        before = {key: e.modseq for key, e in keys.items()}
        flags_before = {key: e.flags for key, e in keys.items()}
        c = await d.command("%sSTORE %s%s %sFLAGS%s (%s)" % (
            "UID " * uid, talk.as_set(e.uid if uid else n for n, e in picked), cond, how,
            ".SILENT" * silent, " ".join(flags)))
        if not c.ok and c.code != "EXPUNGEISSUED" and not c.code.startswith("MODIFIED"):
            return self.refused(c)
        modified = set()
        if c.code.startswith("MODIFIED "):
            told = set(talk.numbers(c.code.split()[1]))
            modified = {self.key(e.uid) for n, e in picked if (e.uid if uid else n) in told}
            for key in modified:
                if keys[key].modseq <= limit and key[2] in d.at.by_uid:
                    self.world.doubts.append((key, limit))
        if cond and c.ok:
            late = [k for k, m in before.items() if m > limit and k not in modified and k[2] in d.at.by_uid]
            if late:
                raise Violation("UNCHANGEDSINCE %d did not spare UID %d" % (limit, late[0][2]))
        if silent:
            self.apply([e for k, e in keys.items() if k not in modified and e.flags is flags_before[k]],
                       flags, how, c.ok)
        if not c.ok:
            return
        done = [k for k in keys if k not in modified and k[2] in d.at.by_uid]
        if d.keyword in flags:
            self.world.set_keyword(done, d.keyword, how != "-")
        elif how:
            self.world.set_keyword(done, d.keyword, None)
        if not silent:
            self.told_own(done, keys, flags, how, flags_before)

    def apply(self, entries, flags, how, ok):
        """.SILENT: the client knows by itself, unless it does not know which messages were left."""
        for e in entries:
            if e.flags is None or not ok:
                e.flags = None
                continue
            recent = e.flags & {"\\Recent"}
            e.flags = frozenset(e.flags | set(flags) if how == "+" else e.flags - set(flags) if how == "-"
                                else recent | set(flags))

    def told_own(self, done, keys, flags, how, before):
        """Our keyword, which nobody else touches, is told as we set it. What was expunged behind the STORE is
        not told at all."""
        for key in done:
            if self.d.keyword not in flags or key in self.world.fuzzy or keys[key].flags is before[key]:
                continue
            if (self.d.keyword in (keys[key].flags or ())) != (how != "-"):
                raise Violation("UID %d after %sFLAGS %s: %s" % (key[2], how, self.d.keyword, keys[key].flags))

    def refused(self, c):
        """NO that is right: the mailbox or the other one was removed meanwhile."""
        if c.code.split(" ")[0] in ("NONEXISTENT", "TRYCREATE", "EXPUNGEISSUED", "READ-ONLY"):
            return
        raise Violation("%s: NO [%s] %s" % (c.text[:80], c.code, c.text_told))

    # ---- messages ----

    async def append(self, name=None):
        d, rng = self.d, self.rng
        name = name or rng.choices(self.names(), [6, 4, 3, 0] + [1] * len(self.gate.folders[self.account]))[0]
        ident, message = self.message()
        floors = dict(self.world.next_uid)
        flags = rng.sample(FLAGS, rng.randint(0, 2)) + [d.keyword] * (rng.random() < 0.5)
        c = await d.upload("APPEND %s (%s)" % (name, " ".join(flags)), message, rng.random() < 0.5, rng)
        if not c.ok:
            return self.refused(c)
        box = self.account, int(c.code.split()[1])
        key = box + (int(c.code.split()[2]),)
        self.world.note_new(key, ident, floors.get(box, 0))
        self.world.set_keyword([key], d.keyword, d.keyword in flags)
        self.world.kept[ident] = self.account

    async def copy(self, move=False):
        d, rng = self.d, self.rng
        picked = self.known(self.some(15))
        if not picked or (move and d.at.read_only) or (not move and self.gate.crowded(self.account)):
            return
        uid, verb = rng.random() < 0.5, "MOVE" if move else "COPY"
        entries = {e.uid: e for _, e in picked}
        if move:
            for u in entries:
                self.world.may_go(self.key(u))
        floors, here = dict(self.world.next_uid), d.at.uidvalidity
        to = rng.choice([n for n in self.names() if n != "Big"])
        c = await d.command("%s%s %s %s" % (
            "UID " * uid, verb, talk.as_set(e.uid if uid else n for n, e in picked), to))
        told = c.moved if move else c.code[8:] if c.code.startswith("COPYUID ") else None
        if not c.ok and c.code not in ("EXPUNGEISSUED",):
            self.refused(c)
        if not told:
            if c.ok and not uid:
                raise Violation("OK without COPYUID: " + c.text_told)
            return
        validity, sources, targets = told.split()
        sources, targets = talk.numbers(sources), talk.numbers(targets)
        if len(sources) != len(targets) or set(sources) - set(entries):
            raise Violation("COPYUID " + told)
        if not move and not uid and len(sources) != len(entries):
            raise Violation("COPY of %d messages copied %d" % (len(entries), len(sources)))
        box = self.account, int(validity)
        for source, target in zip(sources, targets):
            self.world.note_new(box + (target,), entries[source].id, floors.get(box, 0))
            self.world.note_copy((self.account, here, source), box + (target,))
            if move and here == d.at.uidvalidity and source in d.at.by_uid:
                raise Violation("UID %d was moved and is still there" % source)

    async def move(self):
        await self.copy(True)

    async def expunge(self):
        d, rng = self.d, self.rng
        many = 60 if self.gate.crowded(self.account) else 6
        picked = self.known(self.some(many))
        if not picked or d.at.read_only:
            return
        uids = [e.uid for _, e in picked]
        for u in uids:
            self.world.may_go(self.key(u))
        before = {e.uid: e.flags for _, e in picked}
        c = await d.command("UID STORE %s +FLAGS.SILENT (\\Deleted)" % talk.as_set(uids))
        if not c.ok:
            return self.refused(c)
        self.apply([e for _, e in picked if e.flags is before[e.uid]], ["\\Deleted"], "+", True)
        way = rng.choices(("EXPUNGE", "UID EXPUNGE", "CLOSE", ""), (3, 3, 1, 1))[0]
        if not way:
            return
        c = await d.command(way + (" " + talk.as_set(uids) if way == "UID EXPUNGE" else ""))
        if not c.ok:
            return self.refused(c)
        if d.at:
            left = [u for u in uids if u in d.at.by_uid and self.key(u) not in self.world.fuzzy]
            if left:
                raise Violation("%s left UID %s" % (way, talk.as_set(left)))

    # ---- the rest ----

    async def noop(self):
        await self.d.command(self.rng.choice(("NOOP", "CHECK", "NOOP")))

    async def status(self):
        name = self.rng.choice(self.names())
        d = self.d
        last, highest = d.marks()
        c = await d.command("STATUS %s (MESSAGES UIDNEXT UIDVALIDITY UNSEEN RECENT HIGHESTMODSEQ)" % name)
        if not c.ok:
            return self.refused(c)
        items = c.status_items
        box = self.account, items["UIDVALIDITY"]
        self.world.note_next(box, items["UIDNEXT"], last.get(box, 0))
        self.world.note_highest(box, items["HIGHESTMODSEQ"], highest.get(box, 0))

    async def several(self):
        """Pipelined; by UIDs, since numbers may change between the commands (RFC 3501 §5.5)."""
        d = self.d
        uids = [e.uid for e in d.at.view[-20:] if e.uid]
        texts = ["NOOP", "STATUS INBOX (MESSAGES)", "CHECK"]
        if uids:
            texts += ["UID FETCH %s (FLAGS)" % talk.as_set(uids), "UID FETCH %d (UID)" % uids[0]]
        self.rng.shuffle(texts)
        for c in [d.put(t) for t in texts]:
            await d.wait(c)

    async def idle(self):
        d = self.d
        c = await d.start_idle()
        try:
            await asyncio.wait_for(self.gate.closing.wait(), self.rng.random() * 1.5)
            if self.rng.random() < 0.5:
                await self.gate.enter(self)  # it is looked at while it idles
        except asyncio.TimeoutError:
            pass
        await d.done(c)

    async def search(self):
        if not self.gate.search:
            return
        d = self.d
        c = await d.command(self.rng.choice(("SEARCH ALL", "UID SEARCH ALL", "SEARCH KEYWORD " + d.keyword,
                                             "UID SEARCH UNSEEN", "SEARCH DELETED")))
        if not c.ok:
            return self.refused(c)
        if c.text == "SEARCH ALL" and c.search and max(c.search) > len(d.at.view):
            raise Violation("SEARCH gives number %d of %d" % (max(c.search), len(d.at.view)))

    async def again(self):
        """A connection ends, politely or not, and another one begins."""
        d = self.d
        d.keep()
        name = d.at.name if d.at else None
        if self.rng.random() < 0.3:
            d.expect_end = True
            await d.command("LOGOUT")
        elif self.rng.random() < 0.3:
            d.put("UID FETCH 1:* (FLAGS BODY.PEEK[])")  # and does not wait for it
        await d.close()
        await d.login()
        if name:
            await self.open(name)

    ACTIONS = (("open", 3), ("learn", 12), ("fetch", 8), ("fetch_uids", 6), ("read", 6), ("since", 4), ("store", 22),
               ("append", 7), ("copy", 5), ("move", 5), ("expunge", 6), ("noop", 8), ("status", 4), ("several", 3),
               ("idle", 6), ("search", 4), ("again", 2))

    async def step(self):
        names, weights = zip(*self.ACTIONS)
        name = self.rng.choices(names, weights)[0]
        if self.gate.crowded(self.account) and self.rng.random() < 0.3:
            name = "expunge"
        if not self.d.at and name not in ("append", "again"):
            name = "open"
        self.world.counts[name] += 1
        await getattr(self, name)()

    async def run(self):
        await self.d.login()
        await self.open()
        while not self.gate.over:
            await self.gate.enter(self)
            if self.gate.over:
                break
            await self.step()
            if self.rng.random() < 0.3:
                await asyncio.sleep(self.rng.random() * 0.02)
