"""Ports on the loopback address that stay free while a server of ours is down for a restart."""

import random
import socket

LOOPBACK = "127.0.0.1"
BELOW_EPHEMERAL = range(15_000, 32_000)  # systems give outgoing connections ports from 32768 or 49152 on


def free_port() -> int:
    """A port nobody listens on, outside the range that a passing connection could take while its server restarts."""
    ports = random.SystemRandom()
    while True:
        port = ports.choice(BELOW_EPHEMERAL)
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Whether the port can be bound now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
