"""Mail programs as users have them, on 587 and 465: Python's smtplib, swaks, curl, msmtp. What arrives is fetched by POP3."""
import base64
import hashlib
import hmac
import re
import shutil
import smtplib
import ssl
import sys
import time

from common import PASSWORD, PATIENCE, main, make_mail, run

ANN = "ann@example.test"
RECIPIENTS = ["starttls", "smtps", "login", "scram", "bound", "bare", "null", "hidden", "hidden2", "several1", "several2",
              "swaks", "swaks2", "pipe", "curl", "curls", "msmtp", "msmtps", "mscram", "sendmail"]


def letter(subject, **more):
    """As ann writes it."""
    return make_mail(subject, **more).replace(b"joe@away.test", ANN.encode(), 1)


def to_address(name):
    return name if "@" in name else name + "@example.test"


def arrived(w, name, *mails, sender=ANN):
    w.expect(name, *mails, sender=sender)
    for one in w.mails(name):
        trace = one[:one.index(b"From: ")].decode()
        assert re.search(r"^\tby mx\.example\.test with ESMTPSA id \w+\r\n\t\(TLSv1\.[23] ", trace, re.M), trace


# ---- smtplib ----

def smtp(w, tls=False, context=None):
    if tls:
        return smtplib.SMTP_SSL("127.0.0.1", w.ports["submissions"], "me.test", timeout=PATIENCE, context=context or w.context())
    c = smtplib.SMTP("127.0.0.1", w.ports["submission"], "me.test", timeout=PATIENCE)
    c.starttls(context=context or w.context())
    return c


def logged_in(w, tls=False):
    c = smtp(w, tls)
    c.login(ANN, PASSWORD)
    return c


def refused(kind, code, call, *args):
    try:
        call(*args)
    except kind as e:
        got = getattr(e, "smtp_code", None) or [r[0] for r in e.recipients.values()][0]
        assert got == code, e
        return getattr(e, "smtp_error", b"")
    raise AssertionError("not refused")


def smtplib_by_STARTTLS(w):
    mail = letter("starttls", attachment=300000, line=100000)
    with logged_in(w) as c:
        assert c.sendmail(ANN, [to_address("starttls")], mail) == {}
    arrived(w, "starttls", mail)


def smtplib_by_TLS(w):
    mails = [letter("smtps %d" % i, attachment=i * 100000) for i in range(4)]
    with logged_in(w, tls=True) as c:
        for mail in mails:
            c.sendmail(ANN, [to_address("smtps")], mail, mail_options=["BODY=8BITMIME"])
    arrived(w, "smtps", *mails)


def smtplib_with_LOGIN(w):
    mail = letter("login")
    with smtp(w) as c:
        c.user, c.password = ANN, PASSWORD
        c.ehlo()
        assert c.auth("LOGIN", c.auth_login)[0] == 235
        c.sendmail(ANN, [to_address("login")], mail)
    arrived(w, "login", mail)


class Scram:
    """The client's side of RFC 5802 with SHA-256, for SMTP.auth."""

    def __init__(self, binding=None):
        self.gs2 = b"p=tls-unique,," if binding else b"n,,"
        self.binding = self.gs2 + (binding or b"")
        self.first = b"n=" + ANN.encode() + b",r=abcdefghijklmnop"
        self.step = 0

    def __call__(self, challenge=None):
        self.step += 1
        if self.step == 1:
            return (self.gs2 + self.first).decode()
        if self.step == 2:
            return self.proof(challenge).decode()
        assert challenge == b"v=" + base64.b64encode(self.signature), challenge
        return ""

    def proof(self, challenge):
        part = dict(p.split(b"=", 1) for p in challenge.split(b","))
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(part[b"s"]), int(part[b"i"]))
        final = b"c=" + base64.b64encode(self.binding) + b",r=" + part[b"r"]
        text = b",".join([self.first, challenge, final])
        client = self.mac(salted, b"Client Key")
        self.signature = self.mac(self.mac(salted, b"Server Key"), text)
        proof = bytes(a ^ b for a, b in zip(client, self.mac(hashlib.sha256(client).digest(), text)))
        return final + b",p=" + base64.b64encode(proof)

    @staticmethod
    def mac(key, text):
        return hmac.new(key, text, "sha256").digest()


def smtplib_with_SCRAM(w):
    mail = letter("scram")
    with smtp(w, tls=True) as c:
        c.ehlo()
        assert c.auth("SCRAM-SHA-256", Scram())[0] == 235
        c.sendmail(ANN, [to_address("scram")], mail)
    arrived(w, "scram", mail)


def smtplib_with_SCRAM_bound_to_TLS_1_2(w):
    mail = letter("bound")
    context = w.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with smtp(w, context=context) as c:
        c.ehlo()
        assert "SCRAM-SHA-256-PLUS" in c.esmtp_features["auth"]
        assert c.auth("SCRAM-SHA-256-PLUS", Scram(c.sock.get_channel_binding("tls-unique")))[0] == 235
        c.sendmail(ANN, [to_address("bound")], mail)
    arrived(w, "bound", mail)
    with smtp(w, context=context) as c:
        c.ehlo()
        refused(smtplib.SMTPAuthenticationError, 535, c.auth, "SCRAM-SHA-256-PLUS", Scram(b"another connection"))


def smtplib_wrong_password(w):
    with smtp(w) as c:
        refused(smtplib.SMTPAuthenticationError, 535, c.login, ANN, "wrong")
        c.login(ANN, PASSWORD)


def smtplib_without_TLS(w):
    with smtplib.SMTP("127.0.0.1", w.ports["submission"], "me.test", timeout=PATIENCE) as c:
        c.ehlo()
        assert c.has_extn("starttls") and not c.has_extn("auth"), c.esmtp_features
        try:
            c.login(ANN, PASSWORD)
            raise AssertionError("logged in without TLS")
        except smtplib.SMTPNotSupportedError:
            pass
        refused(smtplib.SMTPSenderRefused, 530, c.sendmail, ANN, [ANN], letter("clear"))


def smtplib_as_somebody_else(w):
    mail = letter("else")
    with logged_in(w) as c:
        refused(smtplib.SMTPSenderRefused, 553, c.sendmail, "bob@example.test", [ANN], mail)
        refused(smtplib.SMTPSenderRefused, 553, c.sendmail, "ann@away.test", [ANN], mail)
        said = refused(smtplib.SMTPDataError, 550, c.sendmail, ANN, [ANN], mail.replace(ANN.encode(), b"ceo@bank.test", 1))
        assert b"5.7.1 You may not send as <ceo@bank.test>" in said, said
        refused(smtplib.SMTPRecipientsRefused, 550, c.sendmail, ANN, ["nobody@example.test"], mail)


def smtplib_a_bare_message(w):
    """Date and Message-ID are added, LF becomes CRLF; the server gets it as it stands here."""
    with logged_in(w) as c:
        c.mail(ANN)
        c.rcpt(to_address("bare"))
        assert c.docmd("DATA")[0] == 354
        c.send(b"From: ann@example.test\nSubject: bare\n\nline\nline\r\n.\r\n")
        assert c.getreply()[0] == 250
    one, = w.mails("bare")
    head, body = one.split(b"\r\n\r\n", 1)
    assert body == b"line\r\nline\r\n" and head.endswith(b"\r\nFrom: ann@example.test\r\nSubject: bare"), one
    date = re.findall(rb"\r\nDate: (.*)\r\n", head)
    assert len(date) == 1 and abs(time.time() - time.mktime(time.strptime(
        date[0].decode(), "%a, %d %b %Y %H:%M:%S +0000")) + time.timezone) < 1000, head
    assert len(re.findall(rb"\r\nMessage-ID: <\w+@mx\.example\.test>\r\n", head)) == 1, head


def smtplib_null_sender(w):
    mail = letter("null")
    with logged_in(w) as c:
        c.sendmail("", [to_address("null")], mail)
    arrived(w, "null", mail, sender="")


def smtplib_Bcc(w):
    """Those named in Bcc get it; nobody sees who they are."""
    mail = letter("bcc")
    hidden = b"Bcc: hidden@example.test,\r\n\thidden2@example.test\r\n"
    at = mail.index(b"Subject: ")
    with logged_in(w) as c:
        c.sendmail(ANN, [to_address("hidden"), to_address("hidden2")], hidden + mail[:at] + hidden + mail[at:])
    arrived(w, "hidden", mail)
    arrived(w, "hidden2", mail)


# ---- swaks ----

def swaks(w, to, mail, *options, tls=False, user=ANN, codes=(0,)):
    if not shutil.which("swaks"):
        return None
    path = w.file("submit.eml", mail.replace(b"\r\n.", b"\r\n..") + b".")
    port, how = (w.ports["submissions"], "--tls-on-connect") if tls else (w.ports["submission"], "--tls")
    login = ("--auth-user", user, "--auth-password", PASSWORD) if user else ()
    return run("swaks", "--ehlo", "me.test", "--from", ANN, "--to", ",".join(map(to_address, to)), "--data", "@" + path, "-ndf",
               "--server", "127.0.0.1:%d" % port, how, "--tls-verify", "--tls-ca-path", w.ca, *login, *options, codes=codes)


def swaks_by_STARTTLS(w):
    mail = letter("swaks", attachment=300000)
    if swaks(w, ["swaks"], mail, "--auth", "PLAIN") is None:
        return "not installed"
    arrived(w, "swaks", mail)


def swaks_by_TLS(w):
    mail = letter("swaks with TLS", attachment=300000)
    if swaks(w, ["swaks2"], mail, "--auth", "LOGIN", tls=True) is None:
        return "not installed"
    arrived(w, "swaks2", mail)


def swaks_pipelined(w):
    mail = letter("pipelined")
    if swaks(w, ["pipe"], mail, "--auth", "PLAIN", "--pipeline") is None:
        return "not installed"
    arrived(w, "pipe", mail)


def swaks_refused(w):
    said = swaks(w, ["pipe"], letter("no login"), user=None, codes=(23,))
    if said is None:
        return "not installed"
    assert b"530 5.7.0 Authentication required" in said, said
    said = swaks(w, ["pipe"], letter("wrong"), "--auth", "PLAIN", user="nobody@example.test", codes=(28,))
    assert b"535 5.7.8 " in said, said


# ---- curl ----

def curl(w, url, to, mail, *options, codes=(0,)):
    path = w.file("submit.eml", mail)
    recipients = [o for name in to for o in ("--mail-rcpt", to_address(name))]
    return run("curl", "-q", "-sS", "--max-time", "60", "--cacert", w.ca, url + "/me.test", "--mail-from", ANN, *recipients,
               "--upload-file", path, *options, codes=codes)


def curl_by_STARTTLS(w):
    mail = letter("curl", attachment=300000)
    curl(w, "smtp://127.0.0.1:%d" % w.ports["submission"], ["curl"], mail, "--ssl-reqd", "--user", "%s:%s" % (ANN, PASSWORD),
         "--mail-auth", ANN)
    arrived(w, "curl", mail)


def curl_by_TLS(w):
    """Twice over one connection, with both mechanisms that show the password."""
    mails = [letter("curls"), letter("curls again")]
    for mail, mechanism in zip(mails, ("PLAIN", "LOGIN")):
        curl(w, "smtps://127.0.0.1:%d" % w.ports["submissions"], ["curls"], mail, "--user", "%s:%s" % (ANN, PASSWORD),
             "--login-options", "AUTH=" + mechanism)
    arrived(w, "curls", *mails)


def curl_refused(w):
    url = "smtps://127.0.0.1:%d" % w.ports["submissions"]
    said = curl(w, url, ["curl"], letter("wrong"), "--user", ANN + ":wrong", codes=(67,))
    assert b"Login denied" in said, said
    said = curl(w, url, ["curl"], letter("nobody"), "-v", codes=(55,))
    assert b"< 530 5.7.0 " in said, said
    said = curl(w, url, ["nobody@example.test"], letter("away"), "-v", "--user", "%s:%s" % (ANN, PASSWORD), codes=(55,))
    assert b"< 550 5.1.1 No such user here" in said, said


# ---- msmtp ----

def msmtp(w, to, mail, *options, tls=False, codes=(0,), password=PASSWORD):
    """It reads lines that end with LF."""
    if not shutil.which("msmtp"):
        return None
    port, start = (w.ports["submissions"], "off") if tls else (w.ports["submission"], "on")
    return run("msmtp", "--file=/dev/null", "--host=127.0.0.1", "--port=%d" % port, "--domain=me.test", "--tls=on",
               "--tls-starttls=" + start, "--tls-trust-file=" + w.ca, "--user=" + ANN,
               "--passwordeval=echo " + password, "--from=" + ANN, *options, *map(to_address, to),
               stdin=mail.replace(b"\r\n", b"\n"), codes=codes)


def msmtp_by_STARTTLS(w):
    mail = letter("msmtp", attachment=300000)
    if msmtp(w, ["msmtp"], mail, "--auth=on") is None:
        return "not installed"
    arrived(w, "msmtp", mail)


def msmtp_by_TLS(w):
    mail = letter("msmtps", attachment=300000)
    if msmtp(w, ["msmtps"], mail, "--auth=plain", tls=True) is None:
        return "not installed"
    arrived(w, "msmtps", mail)


def msmtp_with_SCRAM(w):
    mail = letter("msmtp with SCRAM")
    if msmtp(w, ["mscram"], mail, "--auth=scram-sha-256") is None:
        return "not installed"
    arrived(w, "mscram", mail)


def msmtp_as_sendmail(w):
    """-t: the recipients are those of the header; Bcc is left for the server to take off."""
    mail = letter("sendmail", to="sendmail@example.test")
    if msmtp(w, [], b"Bcc: sendmail@example.test\r\n" + mail, "--auth=on", "-t", "--remove-bcc-headers=off") is None:
        return "not installed"
    arrived(w, "sendmail", mail)


def msmtp_refused(w):
    said = msmtp(w, ["msmtp"], letter("wrong"), "--auth=on", password="wrong", codes=(77,))
    if said is None:
        return "not installed"
    assert b"535 5.7.8 " in said, said
    said = msmtp(w, ["nobody@example.test"], letter("away"), "--auth=on", codes=(65,))
    assert b"550 5.1.1 No such user here" in said, said


sys.exit(main(["ann", "bob"] + RECIPIENTS, [
    smtplib_by_STARTTLS, smtplib_by_TLS, smtplib_with_LOGIN, smtplib_with_SCRAM, smtplib_with_SCRAM_bound_to_TLS_1_2,
    smtplib_wrong_password, smtplib_without_TLS, smtplib_as_somebody_else, smtplib_a_bare_message, smtplib_null_sender,
    smtplib_Bcc, swaks_by_STARTTLS, swaks_by_TLS, swaks_pipelined, swaks_refused, curl_by_STARTTLS, curl_by_TLS,
    curl_refused, msmtp_by_STARTTLS, msmtp_by_TLS, msmtp_with_SCRAM, msmtp_as_sendmail, msmtp_refused,
]))
