"""One IMAP connection: bytes, responses, commands in the order they were sent."""
import asyncio
import collections
import re
import time

PATIENCE = 60
KEPT = 120  # lines of each conversation

_ATOM = re.compile(rb"[^\s()\"{}\[]+")


class Violation(Exception):
    """The server broke a rule."""


class Lost(Exception):
    """The connection is over."""


def _piece(raw, at):
    """One token and where it ends: a list, bytes, or None for NIL."""
    c = raw[at:at + 1]
    if c == b"(":
        items, at = [], at + 1
        while True:
            while raw[at:at + 1] == b" ":
                at += 1
            if raw[at:at + 1] == b")":
                return items, at + 1
            item, at = _piece(raw, at)
            items.append(item)
    if c == b'"':
        out, at = bytearray(), at + 1
        while raw[at:at + 1] != b'"':
            at += raw[at:at + 1] == b"\\"
            out += raw[at:at + 1]
            at += 1
        return bytes(out), at + 1
    if c == b"{":
        end = raw.index(b"}\r\n", at)
        n = int(raw[at + 1:end])
        return raw[end + 3:end + 3 + n], end + 3 + n
    m = _ATOM.match(raw, at)
    if not m:
        raise Violation("no syntax at byte %d of %r" % (at, raw[:300]))
    at = m.end()
    if raw[at:at + 1] == b"[":
        at = raw.index(b"]", at) + 1
    word = raw[m.start():at]
    return None if word == b"NIL" else word, at


def parse(raw):
    value, end = _piece(raw, 0)
    if end != len(raw):
        raise Violation("more behind the end: %r" % raw[end:end + 100])
    return value


def numbers(text):
    """Of a set without *."""
    out = []
    for part in text.split(","):
        a, _, b = part.partition(":")
        out += range(int(a), int(b or a) + 1)
    return out


def as_set(values):
    """The shortest set of these numbers."""
    out, run = [], None
    for v in sorted(values):
        if run and v == run[1] + 1:
            run[1] = v
        else:
            run = [v, v]
            out.append(run)
    return ",".join("%d" % a if a == b else "%d:%d" % (a, b) for a, b in out)


class Command:
    def __init__(self, tag, text):
        self.tag, self.text = tag, text
        words = text.split(" ", 2)
        self.uid = words[0] == "UID"
        self.name = words[1] if self.uid else words[0]
        # RFC 3501 §7.4.1
        self.expunges = self.uid or self.name not in ("FETCH", "STORE", "SEARCH")
        self.future = asyncio.get_running_loop().create_future()
        self.sent = time.monotonic()
        self.status, self.code, self.text_told = "", "", ""
        self.fetched = {}  # number as told: items
        self.uids = {}  # UID: items
        self.earlier, self.search, self.moved = [], None, None
        self.status_items = {}
        self.highest, self.modseq = None, 0  # [HIGHESTMODSEQ, and the highest MODSEQ of a FETCH
        self.closed = False

    @property
    def ok(self):
        return self.status == "OK"


class Talk:
    """What comes is given to told(line) and end(command); both may raise Violation."""

    def __init__(self, name, broken):
        self.name, self.broken = name, broken
        self.lines = collections.deque(maxlen=KEPT)
        self.queue = collections.deque()
        self.literal = False  # a command is half sent
        self.count = 0
        self.task = None
        self.plus = None

    def note(self, who, text):
        self.lines.append("%.4f %s %s %s" % (time.monotonic(), self.name, who, text[:240]))

    async def connect(self, port):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 24)
        self.queue.clear()
        self.literal, self.expect_end, self.plus = False, False, None
        self.note("--", "connected")
        greeting = await self.reader.readuntil(b"\r\n")
        self.note("<", greeting.decode().rstrip())
        self.task = asyncio.ensure_future(self.listen())

    async def close(self):
        self.expect_end = True
        if self.task:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.writer.close()
        self.note("--", "closed")
        for c in self.queue:
            c.future.cancel()
        self.queue.clear()

    # ---- in ----

    async def response(self):
        raw = await self.reader.readuntil(b"\r\n")
        while True:
            m = re.search(rb"\{(\d+)\}\r\n$", raw)
            if not m:
                return raw[:-2]
            raw += await self.reader.readexactly(int(m.group(1)))
            raw += await self.reader.readuntil(b"\r\n")

    async def listen(self):
        try:
            while True:
                raw = await self.response()
                self.note("<", raw.decode("utf-8", "replace"))
                self.take(raw)
        except (asyncio.IncompleteReadError, ConnectionError):
            if not self.expect_end:
                self.fail("the server closed the connection")
        except Violation as e:
            self.broken(self, str(e))
        except (ValueError, IndexError, KeyError, TypeError) as e:
            self.broken(self, "a response that cannot be read: %r" % e)
        for c in self.queue:
            if not c.future.done():
                c.future.set_exception(Lost())

    def fail(self, text):
        self.broken(self, text)

    def take(self, raw):
        head, _, rest = raw.partition(b" ")
        if head == b"*":
            self.told(rest)
        elif head == b"+":
            if not self.plus:
                raise Violation("a continuation that nobody waits for")
            self.plus.set_result(True)
            self.plus = None
        else:
            self.finish(head.decode(), rest.decode("utf-8", "replace"))

    def finish(self, tag, rest):
        if not self.queue or self.queue[0].tag != tag:
            raise Violation("a reply to %s, not to %s" % (tag, self.queue[0].tag if self.queue else "nothing"))
        c = self.queue.popleft()
        m = re.match(r"(OK|NO|BAD) (?:\[([^]]*)\] )?(.*)", rest)
        if not m:
            raise Violation("no reply: " + rest)
        c.status, c.code, c.text_told = m.group(1), m.group(2) or "", m.group(3)
        if c.status == "BAD" or c.code.startswith(("SERVERBUG", "UNAVAILABLE")):
            raise Violation("%s: %s" % (c.text[:200], rest))
        if self.plus and not self.plus.done():
            self.plus.set_result(False)
            self.plus = None
        self.end(c)
        if not c.future.done():
            c.future.set_result(c)

    @property
    def current(self):
        return self.queue[0] if self.queue else None

    # ---- out ----

    def put(self, text, parts=()):
        """Queues a command and sends its first line."""
        self.count += 1
        c = Command("%s.%d" % (self.name, self.count), text)
        self.queue.append(c)
        self.note(">", c.tag + " " + text)
        self.writer.write(("%s %s\r\n" % (c.tag, text)).encode())
        return c

    async def wait(self, c):
        return await asyncio.wait_for(c.future, PATIENCE)

    async def command(self, text):
        return await self.wait(self.put(text))

    async def upload(self, head, message, plus, rng):
        """A command that ends in a literal; plus: LITERAL+."""
        self.literal = True
        if not plus:
            self.plus = waiting = asyncio.get_running_loop().create_future()
        c = self.put("%s {%d%s}" % (head, len(message), "+" if plus else ""))
        if not plus and not await asyncio.wait_for(waiting, PATIENCE):
            self.literal = False
            return await self.wait(c)
        cut = rng.randrange(len(message))
        self.writer.write(message[:cut])
        if rng.random() < 0.3:
            await self.writer.drain()
            await asyncio.sleep(rng.random() * 0.05)
        # From here on the whole command may be there.
        self.literal = False
        self.writer.write(message[cut:] + b"\r\n")
        return await self.wait(c)

    async def start_idle(self):
        self.plus = waiting = asyncio.get_running_loop().create_future()
        c = self.put("IDLE")
        await asyncio.wait_for(waiting, PATIENCE)
        return c

    async def done(self, c):
        self.note(">", "DONE")
        self.writer.write(b"DONE\r\n")
        return await self.wait(c)
