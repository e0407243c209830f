"""Ports for programs that cannot be told to take any free one."""
import random
import socket

# Below the range from which the kernel takes ports for connections and for port 0: nothing that
# the tests do meanwhile takes one of these by chance.
LOWEST, HIGHEST, TRIES = 15000, 31999, 1000


def is_free(port, address):
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as s:
                s.bind((address, port))
    except OSError:
        return False
    return True


def free_ports(n, address="127.0.0.1"):
    """n ports that nobody has now, neither of TCP nor of UDP."""
    found = set()
    for _ in range(TRIES):
        port = random.SystemRandom().randint(LOWEST, HIGHEST)
        if port not in found and is_free(port, address):
            found.add(port)
        if len(found) == n:
            return list(found)
    raise RuntimeError("no free ports")


def free_port(address="127.0.0.1"):
    return free_ports(1, address)[0]
