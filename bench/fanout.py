"""Many watches of one resource, read as cheaply as a client can, so that the server is what is measured.

A watch's bytes are taken off its socket as they come, with the moment, and only decrypted when all has arrived: then it
is checked that every watch saw every event once. (An asyncio client took 2.8 s of CPU where the server took 0.8.)
The objects are created by a process of its own over ten connections.
"""

from __future__ import annotations

import json
import select
import socket
import ssl
import subprocess
import sys
import time
from typing import Any

CREATORS = 10
QUIET_SECONDS = 1.0
PATIENCE_SECONDS = 60.0
READ_BYTES = 1 << 18
PATH = "/api/v1/namespaces/default/configmaps"
CREATE = """
import http.client, json, ssl, sys, threading
port, token, path, count, creators = int(sys.argv[1]), *sys.argv[2:4], *map(int, sys.argv[4:])
headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

def connected():
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=ssl._create_unverified_context())
    connection.request("GET", "/readyz", headers=headers)
    connection.getresponse().read()
    return connection

def create(connection, numbers):
    for number in numbers:
        body = json.dumps({"metadata": {"name": f"c{number}"}, "data": {"k": "v" * 400}})
        connection.request("POST", path, body, headers)
        connection.getresponse().read()

connections = [connected() for _ in range(creators)]
threads = [
    threading.Thread(target=create, args=(each, range(at, count, creators))) for at, each in enumerate(connections)
]
print("ready", flush=True)
sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""


class Watch:
    """One connection: `received` is what came, still encrypted; `last` when the last of it did."""

    def __init__(self, port: int, token: str, version: str) -> None:
        self.received: list[bytes] = []
        self.last = 0.0
        self.socket = socket.create_connection(("127.0.0.1", port))
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ssl._create_unverified_context().wrap_bio(self._incoming, self._outgoing)
        self._shake_hands()
        self._tls.write(
            f"GET {PATH}?watch=1&resourceVersion={version} HTTP/1.1\r\n"
            f"Host: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        self.socket.sendall(self._outgoing.read())
        self.socket.setblocking(False)

    def _shake_hands(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
                self.socket.sendall(self._outgoing.read())
                return
            except ssl.SSLWantReadError:
                self.socket.sendall(self._outgoing.read())
                self._incoming.write(self.socket.recv(READ_BYTES))

    def take(self) -> None:
        self.received.append(self.socket.recv(READ_BYTES))
        self.last = time.monotonic()

    def events(self) -> int:
        """How many events came, each a different object."""
        self._incoming.write(b"".join(self.received))
        plain = bytearray()
        while True:
            try:
                plain += self._tls.read(READ_BYTES)
            except ssl.SSLWantReadError:
                break
        lines = [line for line in plain.split(b"\n") if line.startswith(b'{"type":"ADDED"')]
        return len({json.loads(line)["object"]["metadata"]["name"] for line in lines})


def fan_out(server: Any, watchers: int, events: int) -> tuple[float, float]:
    """Events a second over all watchers, and the server's CPU seconds, for `events` creates that each of them sees."""
    version = json.loads(server.get(PATH)[1])["metadata"]["resourceVersion"]
    watches = [Watch(server.port, server.token, version) for _ in range(watchers)]
    poll = select.epoll()
    for watch in watches:
        poll.register(watch.socket, select.EPOLLIN)
    by_descriptor = {watch.socket.fileno(): watch for watch in watches}
    arguments = [str(server.port), server.token, PATH, str(events), str(CREATORS)]
    with subprocess.Popen(
        [sys.executable, "-c", CREATE, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as creators:
        assert creators.stdin is not None and creators.stdout is not None
        creators.stdout.readline()
        _drain(poll, by_descriptor, time.monotonic() + PATIENCE_SECONDS)
        for watch in watches:
            watch.received, kept = [], watch.received
            watch._incoming.write(b"".join(kept))
        before, began = server.cpu(), time.monotonic()
        creators.stdin.write(b"\n")
        creators.stdin.close()
        _drain(poll, by_descriptor, began + PATIENCE_SECONDS)
    cpu = server.cpu() - before
    took = max(watch.last for watch in watches) - began
    seen = sum(watch.events() for watch in watches)
    if seen != watchers * events:
        raise RuntimeError(f"{watchers} watches saw {seen} events instead of {watchers * events}")
    for watch in watches:
        watch.socket.close()
    return seen / took, cpu


def _drain(poll: select.epoll, watches: dict[int, Watch], until: float) -> None:
    """Take what comes until nothing has come for a while."""
    while time.monotonic() < until:
        ready = poll.poll(QUIET_SECONDS)
        if not ready:
            return
        for descriptor, _ in ready:
            watches[descriptor].take()
