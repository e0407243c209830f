"""Who works on the same accounts without a selected mailbox: deliveries, POP3, a gardener of folders."""
import asyncio
import re

import talk
from talk import Violation


class Lines:
    """SMTP, LMTP or POP3: a line out, a reply in."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @classmethod
    async def open(cls, where):
        if isinstance(where, str):
            return cls(*await asyncio.open_unix_connection(where))
        return cls(*await asyncio.open_connection("127.0.0.1", where))

    async def line(self):
        return (await asyncio.wait_for(self.reader.readuntil(b"\r\n"), talk.PATIENCE)).decode().rstrip()

    async def reply(self):
        while True:
            line = await self.line()
            if line[3:4] != "-":
                return line

    async def ask(self, text, want):
        self.writer.write(text.encode() + b"\r\n")
        line = await self.reply()
        if not line.startswith(want):
            raise Violation("%s: %s" % (text, line))
        return line


class Delivery:
    def __init__(self, world, gate, name, where, accounts):
        self.world, self.gate, self.name, self.where, self.accounts = world, gate, name, where, accounts
        self.rng, self.n = world.rng(name), 0

    async def run(self):
        lmtp = isinstance(self.where, str)
        c = await Lines.open(self.where)
        await c.reply()
        await c.ask(("LHLO" if lmtp else "EHLO") + " stress.test", "250")
        while not self.gate.over:
            await self.gate.enter(self)
            account = self.rng.choice(self.accounts)
            if not self.gate.over and not self.gate.crowded(account):
                await self.deliver(c, account)
            await asyncio.sleep(self.rng.random() * 0.2)
        c.writer.close()

    async def deliver(self, c, account):
        self.n += 1
        name = "%s-%d" % (self.name, self.n)
        await c.ask("MAIL FROM:<x@elsewhere.test>", "250")
        await c.ask("RCPT TO:<%s@example.test>" % account, "250")
        await c.ask("DATA", "354")
        await c.ask("X-Stress: %s\r\nFrom: <x@elsewhere.test>\r\nSubject: %s\r\n"
                    "Date: Sun, 22 Nov 2026 04:00:00 +0000\r\nMessage-ID: <%s@elsewhere.test>\r\n\r\nhello\r\n."
                    % (name, name, name), "250")
        self.world.kept[name] = account
        self.world.counts["delivered"] += 1


class Pop3:
    def __init__(self, world, gate, name, port, account):
        self.world, self.gate, self.name, self.port, self.account = world, gate, name, port, account
        self.rng = world.rng(name)

    async def run(self):
        while not self.gate.over:
            await self.gate.enter(self)
            if not self.gate.over:
                await self.visit()
            await asyncio.sleep(self.rng.random() * 0.3)

    async def many(self, c, text):
        await c.ask(text, "+OK")
        lines = []
        while (line := await c.line()) != ".":
            lines.append(line)
        return lines

    async def visit(self):
        began = asyncio.get_running_loop().time()
        c = await Lines.open(self.port)
        await c.reply()
        await c.ask("USER %s@example.test" % self.account, "+OK")
        await c.ask("PASS secret", "+OK")
        listed = [line.split() for line in await self.many(c, "UIDL")]
        keys = {int(n): (self.account, *map(int, value.split("."))) for n, value in listed}
        for key in keys.values():
            self.world.note_there(key, began)
        for n in self.rng.sample(sorted(keys), min(len(keys), self.rng.randrange(4))):
            key = keys[n]
            if key not in self.world.ids:
                top = [x for x in await self.many_or_gone(c, "TOP %d 0" % n) if x.startswith("X-Stress: ")]
                if not top:
                    continue
                self.world.note_id(key, top[0][10:])
            self.world.may_go(key)
            await c.ask("DELE %d" % n, "+OK")
            self.world.counts["popped"] += 1
        await c.ask("QUIT", "+OK")
        c.writer.close()

    async def many_or_gone(self, c, text):
        """The list is frozen: a message may be gone meanwhile."""
        try:
            return await self.many(c, text)
        except Violation:
            return []


class Gardener:
    """Makes, renames and removes folders that others have selected."""

    def __init__(self, device, world, gate):
        self.d, self.world, self.gate = device, world, gate
        self.rng, self.n = world.rng(device.name), 0

    async def run(self):
        await self.d.login()
        folders = self.gate.folders[self.d.account]
        while not self.gate.over:
            await self.gate.enter(self)
            if self.gate.over:
                break
            if len(folders) < 3:
                await self.make(folders)
            elif self.rng.random() < 0.1:
                await self.rename_inbox(folders)
            elif self.rng.random() < 0.5:
                await self.rename(folders)
            else:
                await self.remove(folders)
            await asyncio.sleep(self.rng.random() * 0.6)

    def new(self):
        self.n += 1
        return "Garden/%d" % self.n

    async def must(self, text):
        c = await self.d.command(text)
        if not c.ok:
            raise Violation("%s: NO [%s] %s" % (text, c.code, c.text_told))
        return c

    async def make(self, folders):
        name = self.new()
        await self.must("CREATE " + name)
        await self.must("SUBSCRIBE " + name)
        folders.add(name)

    async def rename(self, folders):
        old, name = self.rng.choice(sorted(folders)), self.new()
        before = (await self.must("STATUS %s (UIDVALIDITY)" % old)).status_items["UIDVALIDITY"]
        folders.discard(old)
        await self.must("RENAME %s %s" % (old, name))
        after = (await self.must("STATUS %s (UIDVALIDITY)" % name)).status_items["UIDVALIDITY"]
        if before != after:
            raise Violation("RENAME changed UIDVALIDITY %d to %d" % (before, after))
        folders.add(name)
        self.world.counts["renamed"] += 1

    async def rename_inbox(self, folders):
        """Its messages go, it stays (RFC 3501 §6.3.5)."""
        name = self.new()
        c = await self.must("STATUS INBOX (UIDVALIDITY)")
        box = self.d.account, c.status_items["UIDVALIDITY"]
        self.world.moved_below[box] = 1 << 32  # more may come until it begins
        await self.must("RENAME INBOX " + name)
        c = await self.must("STATUS INBOX (UIDVALIDITY UIDNEXT)")
        self.world.moved_below[box] = c.status_items["UIDNEXT"]
        if c.status_items["UIDVALIDITY"] != box[1]:
            raise Violation("RENAME INBOX changed its UIDVALIDITY")
        # Which messages are there must be known before it is removed.
        await self.d.select(name, True)
        if self.d.at.view:
            c = await self.must("FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (X-STRESS)])")
            for uid, items in c.uids.items():
                if b"\\Deleted" in items[b"FLAGS"]:  # as in INBOX, where somebody wanted that
                    self.world.may_go((self.d.account, self.d.at.uidvalidity, uid))
        await self.must("UNSELECT")
        folders.add(name)
        self.world.counts["renamed INBOX"] += 1

    async def remove(self, folders):
        name = self.rng.choice(sorted(folders))
        c = await self.must("STATUS %s (UIDVALIDITY)" % name)
        box = self.d.account, c.status_items["UIDVALIDITY"]
        self.world.mailbox_may_go(*box)
        folders.discard(name)
        await self.must("DELETE " + name)
        c = await self.d.command("STATUS %s (MESSAGES)" % name)
        if c.ok or not re.match("NONEXISTENT", c.code):
            raise Violation("after DELETE: " + c.code)
        self.world.counts["removed"] += 1
