"""swaks: SMTP and LMTP by hand."""
import re
import sys

from common import SENDER, main, make_mail, run, wait_for

ACCOUNTS = ["clear", "tls", "pipe", "one", "two", "null", "unix", "loop", "some"]


def swaks(w, to, mail=None, *options, codes=(0,), sender=SENDER, where=None):
    """With -ndf swaks sends the data as it is: the dots are ours."""
    data = (mail or make_mail("swaks")).replace(b"\r\n.", b"\r\n..") + b"."
    path = w.file("swaks.eml", data)
    to = ",".join(name if "@" in name else name + "@example.test" for name in to)
    where = where or ("--server", "127.0.0.1:%d" % w.ports["smtp"])
    return run("swaks", "--ehlo", "client.away.test", "--from", sender, "--to", to, "--data", "@" + path, "-ndf", *where, *options,
               codes=codes)


def secure(w):
    return "--tls", "--tls-verify", "--tls-ca-path", w.ca


def in_the_clear(w):
    mail = make_mail("clear", attachment=300000)
    swaks(w, ["clear"], mail)
    w.expect("clear", mail)


def by_STARTTLS(w):
    mail = make_mail("tls", attachment=300000)
    said = swaks(w, ["tls"], mail, *secure(w))
    assert b"=== TLS started with cipher TLSv1.3:" in said, said[:2000]
    w.expect("tls", mail)


def by_TLS_1_2(w):
    said = swaks(w, ["tls"], None, *secure(w), "--tls-protocol", "tlsv1_2", "--quit-after", "RCPT")
    assert b"=== TLS started with cipher TLSv1.2:" in said, said[:2000]
    old = swaks(w, ["tls"], None, "--tls", "--tls-protocol", "tlsv1_1", "--quit-after", "RCPT", codes=(29,))
    assert b"TLS startup failed" in old, old


def pipelined(w):
    mail = make_mail("pipe", attachment=300000)
    swaks(w, ["pipe"], mail, "--pipeline")
    again = make_mail("pipe with TLS")
    swaks(w, ["pipe"], again, "--pipeline", *secure(w))
    w.expect("pipe", mail, again)


def unknown_recipient(w):
    for options in ((), ("--pipeline",)):
        said = swaks(w, ["nobody"], None, *options, codes=(24,))
        assert b"<** 550 5.1.1 " in said, said


def not_our_domain(w):
    said = swaks(w, ["a@other.test"], None, codes=(24,))
    assert b"<** 550 5.7.1 " in said, said


def several_recipients(w):
    """Who is known gets it once, also when named twice; the others are refused alone."""
    mail = make_mail("several")
    said = swaks(w, ["one", "nobody", "two", "a@other.test", "one"], mail, "--pipeline")
    assert len(re.findall(rb"<\*\* 550 5\.[17]\.1 ", said)) == 2, said
    w.expect("one", mail)
    w.expect("two", mail)


def null_sender(w):
    mail = make_mail("null")
    swaks(w, ["null"], mail, sender="<>")
    w.expect("null", mail, sender="")


def mail_to_postmaster(w):
    swaks(w, ["postmaster"], None, "--quit-after", "RCPT")


def lmtp_by_unix_socket(w):
    mail = make_mail("unix", attachment=300000)
    swaks(w, ["unix"], mail, "--protocol", "LMTP", where=("--socket", w.lmtp))
    w.expect("unix", mail)


def lmtp_by_loopback(w):
    mail = make_mail("loop", attachment=300000)
    swaks(w, ["loop"], mail, "--protocol", "LMTP", where=("--server", "127.0.0.1:%d" % w.ports["lmtp"]))
    w.expect("loop", mail)


def lmtp_to_several(w):
    mail = make_mail("some")
    said = swaks(w, ["some", "nobody", "null"], mail, "--protocol", "LMTP", where=("--socket", w.lmtp))
    assert b"<** 550 5.1.1 " in said, said
    w.expect("some", mail)
    wait_for(lambda: w.count("null") == 2, "the second recipient's mail")


sys.exit(main(ACCOUNTS, [
    in_the_clear, by_STARTTLS, by_TLS_1_2, pipelined, unknown_recipient, not_our_domain, several_recipients,
    null_sender, mail_to_postmaster, lmtp_by_unix_socket, lmtp_by_loopback, lmtp_to_several,
], "swaks"))
