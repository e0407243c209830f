"""Test programs side by side, as many at once as there are cores; what they say is told in their order."""
import concurrent.futures
import os
import subprocess

ENV = dict(os.environ, PYTHONPATH=os.path.dirname(os.path.abspath(__file__)), PYTHONDONTWRITEBYTECODE="1")
STARTS = ("ok ", "not ok ", "skip ")


def run(program):
    return subprocess.run(program, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)


def run_all(programs):
    """[(name, command)]: prints every line, those of results with the name in front ("": as it is). The exit code."""
    code = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        for (name, _), done in zip(programs, pool.map(run, [command for _, command in programs])):
            for line in done.stdout.splitlines():
                start = next((s for s in STARTS if line.startswith(s)), None)
                print("%s%s: %s" % (start, name, line[len(start):]) if start and name else line)
            if done.returncode and "not ok " not in done.stdout:
                print("not ok %s: exit %d" % (name or "program", done.returncode))
            code |= done.returncode != 0
            print(end="", flush=True)
    return code
