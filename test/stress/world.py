"""What all connections together know: facts that hold whoever was told them."""
import collections
import random

from talk import Violation


class World:
    """Keys of messages are (account, UIDVALIDITY, UID); of mailboxes (account, UIDVALIDITY)."""

    def __init__(self, seed):
        self.seed = seed
        self.ids = {}  # key: the X-Stress of the message
        self.gone = {}  # key: when it was first told
        self.deletable = set()  # keys that somebody wanted to go
        self.copies = []  # (source, target), in the order of the replies
        self.lost_mailboxes = set()
        self.moved_below = collections.Counter()  # UIDs below may have left with RENAME INBOX
        self.flags = {}  # key + (MODSEQ,): flags
        self.last_uid = collections.Counter()  # highest UID told
        self.next_uid = collections.Counter()  # highest UIDNEXT told
        self.highest = collections.Counter()  # highest MODSEQ told
        self.kept = {}  # X-Stress: account, of what was acknowledged
        self.removable = set()  # X-Stress of messages some of whose copies were to go
        self.keywords = {}  # key: {keyword: is it set}
        self.fuzzy = set()  # keys whose flags were replaced by somebody
        self.doubts = []  # (key, MODSEQ): MODIFIED was told, and no change; it is newer, or it is gone
        self.counts = collections.Counter()  # of what was checked

    def rng(self, name):
        return random.Random("%d/%s" % (self.seed, name))

    def may_go(self, key):
        self.deletable.add(key)
        if key in self.ids:
            self.removable.add(self.ids[key])

    def mailbox_may_go(self, account, uidvalidity):
        self.lost_mailboxes.add((account, uidvalidity))
        for key, name in self.ids.items():
            if key[:2] == (account, uidvalidity):
                self.removable.add(name)

    def note_gone(self, key, when):
        self.counts["expunges"] += 1
        self.gone.setdefault(key, when)

    def wanted(self, key):
        """Did somebody want it to go?"""
        return key in self.deletable or key[:2] in self.lost_mailboxes or key[2] < self.moved_below[key[:2]]

    def note_copy(self, source, target):
        """\\Deleted is copied. The reply to a copy of the copy may be read before this one's."""
        self.copies.append((source, target))
        if source in self.deletable:
            self.may_go(target)

    def follow_copies(self):
        going = True
        while going:
            going = [target for source, target in self.copies
                     if source in self.deletable and target not in self.deletable]
            for target in going:
                self.may_go(target)

    def check_gone(self):
        """At rest, when the replies to all commands are here."""
        self.follow_copies()
        for key in self.gone:
            if not self.wanted(key):
                raise Violation("%s: UID %d of %d (%s) was expunged, and nobody wanted that; a copy of %s" % (
                    key + (self.ids.get(key), [source for source, target in self.copies if target == key])))

    def note_there(self, key, since=None):
        """since: when the command was sent that shows it."""
        self.last_uid[key[:2]] = max(self.last_uid[key[:2]], key[2])
        if since is not None and self.gone.get(key, since) < since:
            raise Violation("UID %d is there, and its expunge was told before" % key[2])

    def note_id(self, key, name):
        self.counts["ids"] += 1
        if self.ids.setdefault(key, name) != name:
            raise Violation("UID %d is %s and was %s" % (key[2], name, self.ids[key]))
        if key in self.deletable or key[:2] in self.lost_mailboxes:
            self.removable.add(name)

    def note_flags(self, key, modseq, flags):
        self.counts["flags"] += 1
        self.highest[key[:2]] = max(self.highest[key[:2]], modseq)
        was = self.flags.setdefault(key + (modseq,), flags)
        if was != flags:
            raise Violation("UID %d with MODSEQ %d has (%s) and had (%s)" % (
                key[2], modseq, " ".join(sorted(flags)), " ".join(sorted(was))))

    def note_new(self, key, name, floor):
        """A message was made by a command; floor: UIDNEXT told before the command was sent."""
        self.counts["made"] += 1
        if key[2] < floor:
            raise Violation("UID %d was given, UIDNEXT had been %d" % (key[2], floor))
        self.note_there(key)
        if name:
            self.note_id(key, name)

    def note_next(self, mailbox, uidnext, last):
        """last: the highest UID known before the command was sent."""
        if uidnext <= last:
            raise Violation("UIDNEXT %d, and UID %d is there" % (uidnext, last))
        self.next_uid[mailbox] = max(self.next_uid[mailbox], uidnext)

    def note_highest(self, mailbox, modseq, known):
        if modseq < known:
            raise Violation("HIGHESTMODSEQ %d, and %d was told before" % (modseq, known))
        self.highest[mailbox] = max(self.highest[mailbox], modseq)

    def set_keyword(self, keys, keyword, value):
        """value None: not known."""
        for key in keys:
            self.keywords.setdefault(key, {})[keyword] = value
