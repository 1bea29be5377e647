"""The writer's process: `python -m sampan.store.sqlite.writer DESCRIPTOR PATH`.

It reads commands from the socket DESCRIPTOR, one at a time, does each on the file at PATH and answers. The socket's end
is its end: it then closes the file, whatever became of the process that asked. Why a process is told in `process`.

A frame is its length (four bytes, little endian) and a value in Python's `marshal` form; both ends are the same program
of one installation, and the socket has no name. A command is `(name, arguments)`, its answer `(None, result)` or
`((SQLite's name of the error, text), None)`.
"""

from __future__ import annotations

import marshal
import signal
import socket
import sqlite3
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sampan.store.sqlite import schema, statements

LENGTH = struct.Struct("<I")
COMMANDS: dict[str, Callable[..., Any]] = {
    command.__name__: command for command in (statements.append, statements.compact, statements.reclaim)
}


def frame(value: Any) -> bytes:
    data = marshal.dumps(value)
    return LENGTH.pack(len(data)) + data


unframed = marshal.loads


def received(peer: socket.socket, length: int) -> bytearray:
    """So many bytes. Raises EOFError at the socket's end."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = peer.recv_into(view)
        if not count:
            raise EOFError
        view = view[count:]
    return data


def answer(connection: sqlite3.Connection, name: str, arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    try:
        return None, COMMANDS[name](connection, *arguments)
    except sqlite3.Error as error:
        return (getattr(error, "sqlite_errorname", "") or "", str(error)), None


def serve(peer: socket.socket, connection: sqlite3.Connection) -> None:
    """Do what is asked for until the socket ends."""
    while True:
        try:
            (length,) = LENGTH.unpack(received(peer, LENGTH.size))
            name, arguments = unframed(received(peer, length))
            peer.sendall(frame(answer(connection, name, arguments)))
        except (EOFError, ConnectionError):
            return


def main(descriptor: str, path: str) -> None:
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, signal.SIG_IGN)  # whoever asks may still have something to write: it says when to end
    with socket.socket(fileno=int(descriptor)) as peer:
        connection = schema.connect(Path(path))
        schema.durable(connection)
        try:
            serve(peer, connection)
        finally:
            connection.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
