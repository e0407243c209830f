"""Python's smtplib and poplib."""
import poplib
import re
import smtplib
import sys

from common import PASSWORD, PATIENCE, SENDER, main, make_mail, wait_for

ACCOUNTS = ["clear", "tls", "bits", "many", "unix", "loop", "j\u00fcrgen", "pop", "uidl", "lease"]


def smtp(w):
    return smtplib.SMTP("127.0.0.1", w.ports["smtp"], "client.away.test", timeout=PATIENCE)


def deliver(w, name, *mails):
    with smtp(w) as c:
        for mail in mails:
            c.sendmail(SENDER, [name + "@example.test"], mail)


def send_in_the_clear(w):
    mail = make_mail("clear", attachment=300000, line=100000)
    deliver(w, "clear", mail)
    w.expect("clear", mail)


def send_by_STARTTLS(w):
    mail = make_mail("tls", attachment=300000)
    with smtp(w) as c:
        c.starttls(context=w.context())
        assert c.sendmail(SENDER, ["tls@example.test"], mail) == {}
    w.expect("tls", mail)


def send_8BITMIME(w):
    mail = make_mail("bits")
    with smtp(w) as c:
        c.ehlo()
        assert c.has_extn("8bitmime") and c.has_extn("size") and c.has_extn("pipelining")
        c.sendmail(SENDER, ["bits@example.test"], mail, mail_options=["BODY=8BITMIME"])
    w.expect("bits", mail)


def send_SMTPUTF8(w):
    mail = make_mail("utf8")
    with smtp(w) as c:
        c.sendmail("j\u00f6@away.test", ["j\u00fcrgen@example.test"], mail, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
        try:
            c.sendmail(SENDER, ["j\u00fcrgen@example.test"], mail)
            raise AssertionError("an address with non-ASCII letters was taken without SMTPUTF8")
        except smtplib.SMTPRecipientsRefused as e:
            assert [r[0] for r in e.recipients.values()] == [553], e
    wait_for(lambda: w.count("j\u00fcrgen") == 1, "mail of j\u00fcrgen")
    c = poplib.POP3_SSL("127.0.0.1", w.ports["pop3s"], context=w.context(), timeout=PATIENCE)
    c.encoding = "utf-8"
    c.user("j\u00fcrgen@example.test")
    c.pass_(PASSWORD)
    got = b"\r\n".join(c.retr(1)[1]) + b"\r\n"
    c.quit()
    assert got.startswith("Return-Path: <j\u00f6@away.test>\r\n".encode()) and got.endswith(b"\r\n" + mail), got[:500]


def many_in_one_connection(w):
    mails = [make_mail("many %d" % i) for i in range(30)]
    deliver(w, "many", *mails)
    w.expect("many", *mails)


def errors_leave_the_connection_usable(w):
    mail = make_mail("errors")
    with smtp(w) as c:
        for to, code, enhanced in (("nobody@example.test", 550, b"5.1.1"), ("a@other.test", 550, b"5.7.1")):
            try:
                c.sendmail(SENDER, [to], mail)
                raise AssertionError(to + " was accepted")
            except smtplib.SMTPRecipientsRefused as e:
                assert e.recipients[to][0] == code and e.recipients[to][1].startswith(enhanced), e
        code, text = c.mail(SENDER, ["SIZE=999999999999"])
        assert code == 552 and text.startswith(b"5.3.4"), (code, text)
        assert c.noop()[0] == 250
        assert c.vrfy("clear@example.test")[0] == 252


def lmtp_by_unix_socket(w):
    """This client reads one reply after the data, so one recipient may be accepted."""
    mails = [make_mail("unix %d" % i, attachment=i * 300000) for i in range(2)]
    with smtplib.LMTP(w.lmtp) as c:
        for mail in mails:
            refused = c.sendmail(SENDER, ["nobody@example.test", "unix@example.test"], mail)
            assert {to: r[0] for to, r in refused.items()} == {"nobody@example.test": 550}, refused
    w.expect("unix", *mails)


def lmtp_by_loopback(w):
    mail = make_mail("loop")
    with smtplib.LMTP("127.0.0.1", w.ports["lmtp"]) as c:
        c.sendmail(SENDER, ["loop@example.test"], mail)
    w.expect("loop", mail)


# ---- POP3 ----


def login(c, name):
    c.user(name + "@example.test")
    c.pass_(PASSWORD)
    return c


def pop3(w, name):
    c = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=PATIENCE)
    c.stls(w.context())
    return login(c, name)


def pop3_by_STLS(w):
    mails = [make_mail("pop %d" % i, attachment=i * 100000, line=3000) for i in range(4)]
    deliver(w, "pop", *mails)
    c = poplib.POP3("127.0.0.1", w.ports["pop3"], timeout=PATIENCE)
    assert "STLS" in c.capa()
    c.stls(w.context())
    assert "STLS" not in c.capa() and "UIDL" in c.capa() and "TOP" in c.capa()
    login(c, "pop")
    count, octets = c.stat()
    sizes = [int(line.split()[1]) for line in c.list()[1]]
    assert count == 4 and octets == sum(sizes), (count, octets, sizes)
    for i, mail in enumerate(mails):
        _, lines, _ = c.retr(i + 1)
        got = b"".join(line + b"\r\n" for line in lines)
        assert got.endswith(b"\r\n" + mail) and len(got) == sizes[i], i
        _, lines, _ = c.top(i + 1, 7)
        assert lines[lines.index(b"") + 1:] == mail.partition(b"\r\n\r\n")[2].split(b"\r\n")[:7], lines
        _, lines, _ = c.top(i + 1, 0)
        assert lines[-1] == b"", lines
    c.quit()


def DELE_needs_QUIT(w):
    c = pop3(w, "pop")
    c.dele(1)
    c.dele(3)
    assert c.stat()[0] == 2
    c.rset()
    assert c.stat()[0] == 4
    c.dele(1)
    c.close()  # lost: nothing is deleted
    c = wait_for(lambda: again(w, "pop"), "the end of the lost session")
    assert c.stat()[0] == 4
    c.dele(2)
    try:
        c.retr(2)
        raise AssertionError("a deleted message was given")
    except poplib.error_proto:
        pass
    c.quit()
    assert w.count("pop") == 3
    subjects = [re.search(rb"\nSubject: (.*)\r", m).group(1) for m in w.mails("pop")]
    assert subjects == [b"pop 0", b"pop 2", b"pop 3"], subjects


def again(w, name):
    try:
        return pop3(w, name)
    except poplib.error_proto as e:
        assert b"[IN-USE]" in e.args[0], e
        return None


def one_session_at_a_time(w):
    """An idle session of the same address is taken over (or the new one hears [IN-USE]); never do two delete."""
    deliver(w, "lease", make_mail("lease"))
    first = pop3(w, "lease")
    second = again(w, "lease")
    if second:
        second.dele(1)
        second.quit()
        try:
            first.dele(1)
            first.quit()
            raise AssertionError("two sessions deleted")
        except (poplib.error_proto, OSError):
            pass
    else:
        first.dele(1)
        first.quit()
    assert w.count("lease") == 0


def UIDL_lives_through_a_restart(w):
    deliver(w, "uidl", *[make_mail("uidl %d" % i) for i in range(5)])
    c = pop3(w, "uidl")
    before = [line.split()[1] for line in c.uidl()[1]]
    assert c.uidl(3).split()[2] == before[2]
    c.dele(2)
    c.quit()
    assert w.stop() == 0
    w.start()
    deliver(w, "uidl", make_mail("uidl new"))
    c = pop3(w, "uidl")
    after = [line.split()[1] for line in c.uidl()[1]]
    c.quit()
    assert after[:4] == before[:1] + before[2:], (before, after)
    assert len(after) == 5 and after[4] not in before, (before, after)


sys.exit(main(ACCOUNTS, [
    send_in_the_clear, send_by_STARTTLS, send_8BITMIME, send_SMTPUTF8, many_in_one_connection,
    errors_leave_the_connection_usable, lmtp_by_unix_socket, lmtp_by_loopback, pop3_by_STLS, DELE_needs_QUIT, one_session_at_a_time,
    UIDL_lives_through_a_restart,
]))
