"""Perl's Mail::IMAPClient."""
import os
import subprocess
import sys

from common import PASSWORD, main, make_mail, messages, run

SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mail_imapclient.pl")


def Mail_IMAPClient(w):
    if subprocess.run(["perl", "-MMail::IMAPClient", "-e", "1"], capture_output=True, check=False).returncode:
        return "libmail-imapclient-perl is not installed"
    home = w.home("perl")
    mails = [make_mail("perl %d" % i, attachment=i * 60000, line=900 + 20000 * i) for i in range(4)]
    for i, mail in enumerate(mails):
        w.file("perl/%d.eml" % i, mail)
    said = run("perl", SCRIPT, str(w.ports["imap"]), w.ca, "perl@example.test", PASSWORD, home)
    assert said == b"as it should be\n", said
    for box, wanted in (("Perl/deeper", [1, 3, 0]), ("Archive", [0, 1]), ("Trash", [2])):
        assert [m for _, m in messages(w, "perl", box)] == [mails[i] for i in wanted], box
    return None


if __name__ == "__main__":
    sys.exit(main(["perl"], [Mail_IMAPClient], "perl"))
