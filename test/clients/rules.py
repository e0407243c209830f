"""imapfilter: rules move, copy, flag and delete."""
import os
import sys

from common import PASSWORD, deliver, main, make_mail, messages, needs, run

RULES = """
options.timeout = 60
options.starttls = true
options.create = true
options.subscribe = true
options.expunge = true
options.certificates = true
account = IMAP {
    server = 'localhost', port = %(port)d, username = '%(name)s@example.test', password = '%(password)s', %(more)s
}
local boxes, folders = account:list_all()
assert(#boxes == 6, 'mailboxes: ' .. #boxes)
local exist, recent, unseen, uidnext = account.INBOX:check_status()
assert(exist == 6 and unseen == 6 and uidnext == 7, 'status')

-- rules over what the server searches
local list = account.INBOX:contain_subject('list') * account.INBOX:is_unseen()
assert(#list == 2, 'list: ' .. #list)
list:move_messages(account['Lists/barid'])
local large = account.INBOX:is_larger(50000) + account.INBOX:contain_field('X-None', 'x')
assert(#large == 1, 'large: ' .. #large)
large:copy_messages(account.Archive)
large:mark_flagged()
account.INBOX:contain_from('joe@away.test'):mark_seen()
account.INBOX:contain_subject('filtered 0'):add_flags({ 'work', '\\\\Answered' })

-- rules over what it fetches
local matched = account.INBOX:match_body('From here on') * account.INBOX:match_header('^Return%%-Path') +
    account.INBOX:match_subject('filtered 2')
assert(#matched >= 1, 'matched: ' .. #matched)
account.INBOX:contain_subject('gone'):delete_messages()

-- the whole text, as the server has it
for _, message in ipairs(account.Archive:select_all()) do
    local box, uid = table.unpack(message)
    local f = io.open('%(home)s/whole', 'wb')
    f:write(box[uid]:fetch_message())
    f:close()
end
account:create_mailbox('Old')
account:rename_mailbox('Old', 'Older')
account:delete_mailbox('Older')
"""


def apply(w, name, port, more):
    home = w.home(name)
    mails = {s: make_mail(s, attachment=n) for s, n in (
        ("filtered 0", 0), ("list 1", 0), ("filtered 2", 90000), ("list 3", 10), ("gone 4", 0), ("filtered 5", 100))}
    deliver(w, name, mails.values())
    rules = w.file(name + "/rules.lua", RULES % dict(port=port, name=name, password=PASSWORD, more=more,
                                                     home=home), 0o600)
    run("imapfilter", "-c", rules, "-t", w.ca, env={"HOME": home, "IMAPFILTER_HOME": home})
    for box, wanted in (("INBOX", {"filtered 0": {b"\\Seen", b"\\Answered", b"work"},
                                   "filtered 2": {b"\\Seen", b"\\Flagged"}, "filtered 5": {b"\\Seen"}}),
                        ("Lists/barid", {"list 1": set(), "list 3": set()}), ("Archive", {"filtered 2": set()})):
        found = messages(w, name, box)
        assert len(found) == len(wanted), (box, [f for f, _ in found])
        for (flags, octets), (subject, expected) in zip(found, wanted.items()):
            assert octets.endswith(b"\r\n" + mails[subject]) and flags == expected, (box, subject, flags)
    with open(os.path.join(home, "whole"), "rb") as f:
        assert f.read() == messages(w, name, "Archive")[0][1]


@needs("imapfilter")
def imapfilter_by_STARTTLS(w):
    apply(w, "rules", w.ports["imap"], "")


@needs("imapfilter")
def imapfilter_by_TLS(w):
    apply(w, "rules2", w.ports["imaps"], "ssl = 'auto'")


if __name__ == "__main__":
    sys.exit(main(["rules", "rules2"], [imapfilter_by_STARTTLS, imapfilter_by_TLS], "imapfilter"))
