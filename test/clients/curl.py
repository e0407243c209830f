"""curl: SMTP, POP3, POP3S."""
import re
import sys

from common import PASSWORD, SENDER, main, make_mail, run

ACCOUNTS = ["plain", "tls", "both1", "both2", "ann", "gone"]


def curl(w, url, *options, codes=(0,)):
    return run("curl", "-q", "-sS", "--max-time", "60", "--cacert", w.ca, url, *options, codes=codes)


def send(w, to, *options, mail, codes=(0,)):
    path = w.file("curl.eml", mail)
    recipients = [o for name in to for o in ("--mail-rcpt", name + "@example.test")]
    return curl(w, "smtp://127.0.0.1:%d/client.away.test" % w.ports["smtp"], "--mail-from", SENDER, *recipients,
                "--upload-file", path, *options, codes=codes)


def pop3(w, name, path="", *options, scheme="pop3", **more):
    return curl(w, "%s://127.0.0.1:%d/%s" % (scheme, w.ports[scheme], path), "--user",
                "%s@example.test:%s" % (name, PASSWORD), *options, **more)


def send_in_the_clear(w):
    mail = make_mail("clear", attachment=300000)
    send(w, ["plain"], mail=mail)
    w.expect("plain", mail)


def send_by_STARTTLS(w):
    mail = make_mail("starttls", attachment=300000, line=20000)
    send(w, ["tls"], "--ssl-reqd", mail=mail)
    w.expect("tls", mail)


def send_to_several(w):
    mail = make_mail("several")
    send(w, ["both1", "both2"], "--ssl-reqd", mail=mail)
    w.expect("both1", mail)
    w.expect("both2", mail)


def an_unknown_recipient_is_an_error(w):
    said = send(w, ["nobody"], "-v", mail=make_mail("unknown"), codes=(55,))
    assert b"< 550 5.1.1 " in said, said


def fetch(w, **how):
    """LIST, UIDL, TOP and RETR of two mails."""
    mails = [make_mail("fetch %d" % i, attachment=i * 300000) for i in range(2)]
    if not w.count("ann"):
        for mail in mails:
            send(w, ["ann"], mail=mail)
    options = how.pop("options", ())
    sizes = [int(s) for s in re.findall(rb"^\d (\d+)\r?$", pop3(w, "ann", "", *options, **how), re.M)]
    assert len(sizes) == 2, sizes
    for i, mail in enumerate(mails):
        got = pop3(w, "ann", str(i + 1), *options, **how)
        assert got.endswith(b"\r\n" + mail), (len(got), len(mail))
        assert len(got) == sizes[i], "LIST says %d, RETR gives %d" % (sizes[i], len(got))
    top = pop3(w, "ann", "", "-X", "TOP 2 3", *options, **how)
    head, _, body = top.partition(b"\r\n\r\n")
    assert b"\r\nSubject: fetch 1\r\n" in head, head
    assert body.splitlines() == mails[1].partition(b"\r\n\r\n")[2].splitlines()[:3], body
    uids = re.findall(rb"^\d ([!-~]{1,70})\r?$", pop3(w, "ann", "", "-X", "UIDL", *options, **how), re.M)
    assert len(set(uids)) == 2, uids


def pop3_in_the_clear(w):
    fetch(w)


def pop3_by_STLS(w):
    fetch(w, options=("--ssl-reqd",))


def pop3s(w):
    fetch(w, scheme="pop3s")


def login_by_mechanism(w):
    """Debian's curl has no SCRAM; mpop has."""
    for options in (["--login-options", "AUTH=PLAIN"], ["--login-options", "AUTH=PLAIN", "--sasl-ir"],
                    ["--login-options", "AUTH=LOGIN"]):
        said = pop3(w, "ann", "", "-v", *options, scheme="pop3s")
        name = options[1][5:].encode()
        assert b"> AUTH " + name in said and b"\n1 " in said, said
    if b" gsasl" in run("curl", "-V"):
        said = pop3(w, "ann", "", "-v", "--login-options", "AUTH=SCRAM-SHA-256")
        assert b"> AUTH SCRAM-SHA-256" in said and b"\n1 " in said, said


def a_wrong_password_is_an_error(w):
    said = curl(w, "pop3s://127.0.0.1:%d/" % w.ports["pop3s"], "--user", "ann@example.test:wrong", "-v", codes=(67,))
    assert b"< -ERR [AUTH]" in said, said


def delete(w):
    keep = make_mail("kept")
    send(w, ["gone"], mail=make_mail("deleted"))
    send(w, ["gone"], mail=keep)
    pop3(w, "gone", "1", "-X", "DELE", "-I", "--ssl-reqd")
    w.expect("gone", keep)


sys.exit(main(ACCOUNTS, [
    send_in_the_clear, send_by_STARTTLS, send_to_several, an_unknown_recipient_is_an_error, pop3_in_the_clear,
    pop3_by_STLS, pop3s, login_by_mechanism, a_wrong_password_is_an_error, delete,
], "curl"))
