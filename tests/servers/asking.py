"""Asks a Kafka broker for its cluster over a bare socket: a client would log and warn at every try until the broker is up."""

import socket
import struct

PATIENCE = 5.0  # seconds for one answer
# Metadata, version 1, correlation 0, no client id, no topics; behind its length.
METADATA_REQUEST = struct.pack(">hhihi", 3, 1, 0, -1, 0)


def knows_a_broker(bootstrap: str) -> bool:
    """Whether the first of the addresses answers and names a broker of its cluster, itself mostly.

    A node lets clients in before it is part of the cluster; until then it names none.
    """
    host, _, port = bootstrap.partition(",")[0].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), PATIENCE) as connection:
            connection.sendall(struct.pack(">i", len(METADATA_REQUEST)) + METADATA_REQUEST)
            _, _, brokers = struct.unpack(">iii", exactly(connection, 12))
    except OSError:
        return False
    return bool(brokers)


def exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes of the answer. `ConnectionError` when the other side stops before."""
    read = b""
    while len(read) < size:
        part = connection.recv(size - len(read))
        if not part:
            raise ConnectionError("the broker closed the connection")
        read += part
    return read
