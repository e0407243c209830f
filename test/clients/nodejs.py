"""npm's imapflow and nodemailer, at the versions of node/package-lock.json."""
import os
import shutil
import subprocess
import sys

from common import PASSWORD, PATIENCE, main, make_mail, messages, run
from server import BARID

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "node")


def installed():
    """The folder with node_modules, beside the server's build; or why there is none."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            return None, program + " is not installed"
    if int(run("node", "--version").split(b".")[0][1:]) < 18:
        return None, "they need node 18"
    folder = os.path.join(os.path.dirname(os.path.abspath(BARID)), "node")
    lock = os.path.join(folder, "package-lock.json")
    with open(os.path.join(HERE, "package-lock.json"), "rb") as f:
        wanted = f.read()
    if os.path.isdir(os.path.join(folder, "node_modules")) and os.path.exists(lock):
        with open(lock, "rb") as f:
            if f.read() == wanted:
                return folder, None
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(HERE, "package.json"), folder)
    try:
        with open(lock + ".new", "wb") as f:
            f.write(wanted)
        shutil.copy(lock + ".new", lock)
        done = subprocess.run(["npm", "ci", "--fetch-retries=1", "--fetch-timeout=20000", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, timeout=PATIENCE,
                              capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        done = None
    if done and done.returncode == 0:
        return folder, None
    shutil.rmtree(folder)
    why = [line for line in done.stderr.splitlines() if " code " in line][-1:] if done else ["no answer"]
    return None, "npm's registry: " + " ".join(why)


def imapflow_and_nodemailer(w):
    folder, missing = installed()
    if missing:
        return missing
    home = w.home("node")
    mails = [make_mail("node %d" % i, to="node@example.test", attachment=i * 60000, line=900 + 10000 * i) for i in range(4)]
    for i, mail in enumerate(mails):
        w.file("node/%d.eml" % i, mail)
    shutil.copy(w.ca, os.path.join(home, "ca.pem"))
    said = run("node", os.path.join(HERE, "apps.js"), home, *(str(w.ports[p]) for p in ("imaps", "imap", "submission")),
               "node@example.test", PASSWORD, env={"NODE_PATH": os.path.join(folder, "node_modules")})
    assert said == b"as it should be\n", said
    for box, wanted in (("Archive", [0, 1]), ("Renamed", [2])):
        assert [m for _, m in messages(w, "node", box)] == [mails[i] for i in wanted], box
    return None


if __name__ == "__main__":
    sys.exit(main(["node", "other"], [imapflow_and_nodemailer]))
