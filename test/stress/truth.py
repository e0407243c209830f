"""At rest: what everybody was told is what is there, and what was promised is there too."""
import asyncio
import time

import talk
from device import HEADER
from talk import Violation

PUSH = 30  # seconds until an idling device must know all


class Disagree(Violation):
    def __init__(self, device, text):
        super().__init__("%s: %s" % (device.name, text))
        self.device = device


async def fill(device, big):
    """One mailbox that is larger than a chunk: copies of a few messages."""
    message = b"X-Stress: big-%s\r\nSubject: big\r\n\r\nbig\r\n" % device.account.encode()
    rng = device.world.rng("fill")
    for _ in range(30):
        await device.upload("APPEND Big", message, True, rng)
    await device.select("Big")
    while len(device.at.view) < big:
        n = min(len(device.at.view), big - len(device.at.view))
        c = await device.command("COPY 1:%d Big" % n)
        if not c.ok:
            raise Disagree(device, "COPY into itself: " + c.text_told)
    await device.command("UNSELECT")


class Mailbox:
    def __init__(self):
        self.rows = {}  # UID: (flags, MODSEQ, X-Stress)


async def read_account(reader, names):
    """Everything, by a connection of its own: {UIDVALIDITY: Mailbox}."""
    boxes = {}
    for name in names:
        if not await reader.select(name, True):
            raise Disagree(reader, "%s is not there" % name)
        c = await reader.command("UID FETCH 1:* (UID FLAGS MODSEQ RFC822.SIZE "
                                 "BODY.PEEK[HEADER.FIELDS (X-STRESS)])")
        if not c.ok:
            raise Disagree(reader, "%s %s" % (c.code, c.text_told))
        box = boxes[reader.at.uidvalidity] = Mailbox()
        for uid, items in c.uids.items():
            flags = frozenset(f.decode() for f in items[b"FLAGS"]) - {"\\Recent"}
            name_of = items[HEADER].split(b":", 1)[1].strip().decode()
            box.rows[uid] = flags, int(items[b"MODSEQ"][0]), name_of
        if len(box.rows) != len(reader.at.view):
            raise Disagree(reader, "%d rows of %d messages" % (len(box.rows), len(reader.at.view)))
        await check_counters(reader, name, box, sum(int(i[b"RFC822.SIZE"]) for i in c.uids.values()))
        await check_search(reader, box)
    await reader.command("UNSELECT")
    return boxes


async def check_counters(reader, name, box, size):
    items = (await reader.command("STATUS %s (MESSAGES UNSEEN SIZE UIDNEXT HIGHESTMODSEQ)" % name)).status_items
    unseen = sum("\\Seen" not in flags for flags, _, _ in box.rows.values())
    there = {"MESSAGES": len(box.rows), "UNSEEN": unseen, "SIZE": size}
    told = {k: items[k] for k in there}
    if told != there:
        raise Disagree(reader, "STATUS of %s says %s, there are %s" % (name, told, there))
    if items["HIGHESTMODSEQ"] < max([m for _, m, _ in box.rows.values()], default=0):
        raise Disagree(reader, "a MODSEQ of %s is above HIGHESTMODSEQ %d" % (name, items["HIGHESTMODSEQ"]))
    if items["UIDNEXT"] <= max(box.rows, default=0):
        raise Disagree(reader, "a UID of %s is not below UIDNEXT %d" % (name, items["UIDNEXT"]))


async def check_search(reader, box):
    """What SEARCH finds is what FETCH shows."""
    modseqs = sorted(m for _, m, _ in box.rows.values()) or [1]
    middle = modseqs[len(modseqs) // 2]
    keyword = reader.world.rng("search/%d" % middle).choice(["k-d%d" % i for i in range(10)])
    for key, right in (("UNSEEN", lambda f, m: "\\Seen" not in f), ("DELETED", lambda f, m: "\\Deleted" in f),
                       ("NOT KEYWORD " + keyword, lambda f, m: keyword not in f),
                       ("MODSEQ %d" % middle, lambda f, m: m >= middle)):
        want = [u for u, (f, m, _) in sorted(box.rows.items()) if right(f, m)]
        c = await reader.command("UID SEARCH " + key)
        if not c.ok or (c.search or []) != want:
            raise Disagree(reader, "SEARCH %s finds %s, not %s" % (key, talk.as_set(c.search or []), talk.as_set(want)))
        reader.world.counts["searches"] += 1


async def settled(reader, names):
    """What is posted and not awaited (\\Seen) is durable: nothing moves any more."""
    before, same = None, 0
    while same < 5:  # a commit takes its time on a slow disk
        now = []
        for name in names:
            c = await reader.command("STATUS %s (HIGHESTMODSEQ MESSAGES)" % name)
            now.append(tuple(sorted(c.status_items.items())))
        same = same + 1 if now == before else 0
        before = now
        await asyncio.sleep(0.02)


def difference(device, boxes):
    """In words; empty: the device knows what there is."""
    at = device.at
    if not at:
        return ""
    box = boxes.get(at.uidvalidity)
    if box is None:
        return "%d messages of a mailbox that is gone" % len(at.view) if at.view else ""
    uids = sorted(box.rows)
    if len(uids) != len(at.view):
        return "%s: %d messages, there are %d; not there: %s" % (
            at.name, len(at.view), len(uids), talk.as_set(set(at.by_uid) - set(uids)))
    for n, (e, uid) in enumerate(zip(at.view, uids), 1):
        flags, modseq, name = box.rows[uid]
        if e.uid is not None and e.uid != uid:
            return "%s: number %d is UID %d, not %d" % (at.name, n, uid, e.uid)
        if e.id is not None and e.id != name:
            return "%s: UID %d is %s, not %s" % (at.name, uid, name, e.id)
        if e.flags is not None and e.flags - {"\\Recent"} != flags:
            return "%s: UID %d has (%s), told was (%s)" % (at.name, uid, " ".join(flags), " ".join(e.flags))
        if e.modseq and device.condstore and e.modseq != modseq:
            return "%s: UID %d has MODSEQ %d, told was %d" % (at.name, uid, modseq, e.modseq)
    return ""


async def check_device(device, boxes, idle):
    if not idle:
        await device.command("NOOP")
    until = time.monotonic() + PUSH
    while text := difference(device, boxes):
        if not idle or time.monotonic() > until:
            raise Disagree(device, text + (" (idle)" if idle else ""))
        await asyncio.sleep(0.01)
    device.world.counts["compared idle" if idle else "compared"] += 1


async def check_since(device):
    """The difference from what this device held at an earlier rest, exactly."""
    at = device.at
    if len(at.view) < 500 and not all(e.uid and e.modseq for e in at.view):
        await device.command("UID FETCH 1:* (FLAGS MODSEQ)")
    if not all(e.uid and e.modseq for e in at.view):
        return
    old = device.rest.get(at.uidvalidity)
    if old:
        highest, rows = old
        vanished = " VANISHED" if device.qresync else ""
        c = await device.command("UID FETCH 1:* (FLAGS) (CHANGEDSINCE %d%s)" % (highest, vanished))
        want = {e.uid for e in at.view if e.modseq > highest}
        if set(c.uids) != want:
            raise Disagree(device, "CHANGEDSINCE %d gave %s, changed were %s" % (
                highest, talk.as_set(c.uids), talk.as_set(want)))
        lost = rows - set(at.by_uid) - set(c.earlier)
        if device.qresync and lost:
            raise Disagree(device, "VANISHED (EARLIER) since %d left out %s" % (highest, talk.as_set(lost)))
        device.world.counts["exact differences"] += 1
    device.rest[at.uidvalidity] = max([at.highest] + [e.modseq for e in at.view]), set(at.by_uid)


async def check_recent(device):
    c = await device.command("FETCH 1:* (FLAGS)")
    recent = sum(b"\\Recent" in items[b"FLAGS"] for items in c.fetched.values())
    if recent != device.at.recent:
        raise Disagree(device, "%d RECENT were told, %d have \\Recent" % (device.at.recent, recent))


def check_promises(world, account, boxes, reader):
    there = {name for box in boxes.values() for _, _, name in box.rows.values()}
    for name, of in world.kept.items():
        if of == account and name not in there and name not in world.removable:
            raise Disagree(reader, "%s was accepted and is nowhere" % name)
    for validity, box in boxes.items():
        for uid, (flags, _, name) in box.rows.items():
            key = account, validity, uid
            world.note_id(key, name)
            if key in world.gone:
                raise Disagree(reader, "UID %d of %d is there; it was told that it is gone" % (uid, validity))
            for keyword, value in world.keywords.get(key, {}).items():
                if value is not None and key not in world.fuzzy and (keyword in flags) != value:
                    raise Disagree(reader, "UID %d: %s was acknowledged as %s" % (uid, keyword, value))
                world.counts["keywords"] += 1
    for key, limit in world.doubts:
        row = boxes[key[1]].rows.get(key[2]) if key[0] == account and key[1] in boxes else None
        if row and row[1] <= limit:
            raise Disagree(reader, "MODIFIED was told of UID %d, whose MODSEQ is %d" % (key[2], row[1]))
    for key, name in world.ids.items():
        if key[0] == account and key[1] in boxes and key[2] not in boxes[key[1]].rows and not world.wanted(key):
            raise Disagree(reader, "UID %d (%s) is not there, and nobody wanted that" % (key[2], name))


async def compare(stress):
    idle = {d for d in stress.devices if d.current}
    stress.world.check_gone()
    for reader in stress.readers:
        names = list(stress.base) + sorted(stress.gate.folders[reader.account])
        await settled(reader, names)
        boxes = await read_account(reader, names)
        stress.gate.counts[reader.account] = sum(len(b.rows) for b in boxes.values())
        check_promises(stress.world, reader.account, boxes, reader)
        for d in stress.devices:
            if d.account != reader.account or d.task is None:
                continue
            await check_device(d, boxes, d in idle)
            if d.at and d not in idle and d.at.view:
                await (check_since if d.condstore else check_recent)(d)
    stress.world.doubts = []
