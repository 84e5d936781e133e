"""Servers of the tests' own: their programs, and ports on this computer."""

import shutil
import socket


def program(name):
    """Return the path of a program; those of the system's administrator need not be on the user's search path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin:/usr/local/sbin")


def free_ports(count):
    """Return ports that nobody listens on."""
    held = [socket.socket() for _ in range(count)]
    for each in held:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports
