"""Requests without end, each on a connection of its own, from a host or from inside a pod."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path
from typing import NamedTuple

from ..network.world import inside_file

SECONDS = 1.0
PAUSE = 0.01
HOST = Path("/proc/self/ns/net")


class Request(NamedTuple):
    """When it began, on the monotonic clock; why it failed, "" for an answer; whether there was a connection."""

    begun: float
    problem: str = ""
    connected: bool = True


class Load:
    """One client, who asks again and again until stopped, and waits `seconds` for a connection and for an answer."""

    def __init__(self, address: str, port: int, network: Path = HOST, *, seconds: float = SECONDS) -> None:
        self.requests: list[Request] = []
        self._target = (address, port)
        self._network = network
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def asked_until(self, moment: float) -> bool:
        """Whether requests that began after that are done."""
        return bool(self.requests) and self.requests[-1].begun > moment

    def failures(self, since: float = 0.0) -> list[Request]:
        """Those that began after that and failed."""
        return [request for request in self.requests if request.problem and request.begun > since]

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            self.requests.append(self._ask(time.monotonic()))

    def _ask(self, begun: float) -> Request:
        with inside_file(self._network):
            client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        with contextlib.closing(client):
            client.settimeout(self._seconds)
            try:
                client.connect(self._target)
            except OSError as error:
                return Request(begun, repr(error), connected=False)
            try:
                client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return Request(begun, "" if b" 200 " in client.recv(1000) else "no answer")
            except OSError as error:
                return Request(begun, repr(error))
