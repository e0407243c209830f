"""curl: IMAP with STARTTLS, IMAPS."""
import re
import sys

from common import PASSWORD, deliver, main, make_mail, run

ACCOUNTS = ["read", "parts", "append", "custom"]


def curl(w, name, path="", *options, scheme="imaps", codes=(0,), password=PASSWORD):
    """As a user of curl's writes it; without TLS it asks for STARTTLS."""
    tls = () if scheme == "imaps" else ("--ssl-reqd",)
    return run("curl", "-q", "-sS", "--max-time", "60", "--cacert", w.ca, "%s://127.0.0.1:%d/%s" % (
        scheme, w.ports[scheme], path), "--user", "%s@example.test:%s" % (name, password), *tls, *options, codes=codes)


def list_(w):
    wanted = {b"INBOX", b"Drafts", b"Sent", b"Junk", b"Trash", b"Archive"}
    for scheme in ("imap", "imaps"):
        said = curl(w, "read", scheme=scheme)
        boxes = set(re.findall(rb'^\* LIST \([^)]*\) "/" (\w+)\r$', said, re.M))
        assert boxes == wanted, said


def fetch_by_UID_and_by_number(w):
    mails = [make_mail("read %d" % i, attachment=i * 150000, line=50000) for i in range(3)]
    deliver(w, "read", mails)
    for scheme in ("imap", "imaps"):
        for i, mail in enumerate(mails):
            for key in ("UID", "MAILINDEX"):
                got = curl(w, "read", "INBOX;%s=%d" % (key, i + 1), scheme=scheme)
                assert got.endswith(b"\r\n" + mail), (scheme, key, i, len(got), len(mail))
                assert got.startswith(b"Return-Path: <joe@away.test>\r\nReceived: "), got[:200]
    said = curl(w, "read", "INBOX;UID=4", codes=(78,))
    assert b"Remote file not found" in said, said


def fetch_sections(w):
    mail = make_mail("parts", attachment=100000)
    deliver(w, "parts", [mail])
    whole = curl(w, "parts", "INBOX;UID=1")
    head, body = whole.split(b"\r\n\r\n", 1)
    parts = body.split(b"--part")
    text, data = (p.split(b"\r\n\r\n", 1)[1][:-2] for p in parts[1:3])
    for section, wanted in (("HEADER", head + b"\r\n\r\n"), ("TEXT", body), ("1", text), ("2", data),
                            ("1.MIME", parts[1].split(b"\r\n\r\n")[0][2:] + b"\r\n\r\n"),
                            ("HEADER.FIELDS%20(SUBJECT)", b"Subject: parts\r\n\r\n")):
        got = curl(w, "parts", "INBOX;UID=1;SECTION=" + section)
        assert got == wanted, (section, got[:300], wanted[:300])


def append_by_upload(w):
    mails = [make_mail("append %d" % i, attachment=i * 400000, line=70000) for i in range(2)]
    for scheme, mail in zip(("imap", "imaps"), mails):
        curl(w, "append", "Sent", "--upload-file", w.file("append.eml", mail), scheme=scheme)
    for i, mail in enumerate(mails):
        got = curl(w, "append", "Sent;UID=%d" % (i + 1))
        assert got == mail, (len(got), len(mail))
    said = curl(w, "append", "Nowhere", "-v", "--upload-file", w.file("append.eml", mails[0]), codes=(25,))
    assert b" NO [TRYCREATE]" in said, said


def search(w):
    deliver(w, "custom", [make_mail("custom %d" % i) for i in range(4)])
    for query, wanted in (("ALL", b"1 2 3 4"), ("SUBJECT%20%22custom%202%22", b"3"), ("NOT%20SUBJECT%20custom", b""),
                          ("OR%202%20TEXT%20%22x-no-such-text%22", b"2"), ("UNSEEN%20FROM%20joe%20UID%201:2", b"1 2")):
        said = curl(w, "custom", "INBOX?" + query)
        assert said.strip() == (b"* SEARCH " + wanted).strip(), (query, said)


def custom_requests(w):
    def ask(request, box="INBOX"):
        return curl(w, "custom", box, "-X", request).replace(b"\r\n", b"\n")

    said = ask("STORE 1 +Flags (\\Flagged $Label1)")
    assert re.search(rb"^\* 1 FETCH \(FLAGS \((?=[^)]*\\Flagged)(?=[^)]*\$Label1)", said, re.M), said
    said = ask("FETCH 1:2 (UID FLAGS RFC822.SIZE)")
    assert len(re.findall(rb"^\* [12] FETCH \(", said, re.M)) == 2, said
    ask("CREATE Work", "")
    said = ask("STATUS Work (MESSAGES UIDNEXT SIZE)", "")
    assert said == b"* STATUS Work (MESSAGES 0 UIDNEXT 1 SIZE 0)\n", said
    ask("UID MOVE 2 Work")
    said = ask("STATUS INBOX (MESSAGES UNSEEN)", "")
    assert said == b"* STATUS INBOX (MESSAGES 3 UNSEEN 3)\n", said
    assert b"Subject: custom 1\r\n" in curl(w, "custom", "Work;UID=1")
    said = curl(w, "custom", "", "-v", "-X", "CAPABILITY")
    assert b"* CAPABILITY IMAP4rev1 " in said, said


def login_by_mechanism(w):
    for mechanism, more in (("PLAIN", ()), ("PLAIN", ("--sasl-ir",)), ("LOGIN", ())):
        said = curl(w, "read", "", "-v", "--login-options", "AUTH=" + mechanism, *more)
        assert b"AUTHENTICATE " + mechanism.encode() in said and b'"/" INBOX\r\n' in said, said
    said = curl(w, "read", "", "-v", password="wrong", codes=(67,))
    assert b" NO [AUTHENTICATIONFAILED] " in said, said


if __name__ == "__main__":
    list_.__name__ = "list"
    sys.exit(main(ACCOUNTS, [
        list_, fetch_by_UID_and_by_number, fetch_sections, append_by_upload, search, custom_requests, login_by_mechanism,
    ], "curl"))
