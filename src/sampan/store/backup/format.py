r"""The backup file.

    SAMPAN-BACKUP 1\n           what it is, and the version of this format
    {...}\n                     the header, JSON in one line: revision, taken (RFC 3339), program, source
    chunk ...                   u32 length, u32 CRC-32, and so many bytes: zlib of a msgpack array of arrays
                                [key, value, create_revision, mod_revision, version, leased], in key order
    u32 0                       the end of the chunks
    u64 count                   how many keys there are
    32 bytes                    SHA-256 of everything before

Numbers are big-endian. Nothing of a file is believed before all of it was read once and the checksum found right. The
file appears under its name only when it is complete and on the disk, and is its owner's alone: it holds secrets.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from sampan.store.errors import StoreError
from sampan.store.interface import KeyValue

VERSION = 1
MAGIC = b"SAMPAN-BACKUP "
CHUNK_BYTES = 1 << 20
LONGEST_CHUNK = 1 << 30
LONGEST_HEADER = 1 << 16
FRAME = struct.Struct(">II")
COUNT = struct.Struct(">Q")
ANOTHER = "use another backup"


class BackupError(StoreError):
    """The file is no backup that can be restored; the message says why and what to do. No store has been touched."""


class Header(msgspec.Struct, frozen=True):
    """`revision` is the one the objects were read at."""

    revision: int
    taken: str
    program: str
    source: str


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`leased` says that the key belonged to a lease, which itself is not in the backup."""

    key: str
    value: bytes
    create_revision: int
    mod_revision: int
    version: int
    leased: bool = False


def record(item: KeyValue) -> Record:
    return Record(item.key, item.value, item.create_revision, item.mod_revision, item.version, bool(item.lease))


class Writer:
    """Writes a backup to `path`; as a context manager, leaves nothing behind when the block fails."""

    def __init__(self, path: Path, header: Header) -> None:
        self.count = 0
        self._path = path
        self._partial = path.with_name(path.name + ".partial")
        self._header = header
        self._encoder = msgspec.msgpack.Encoder()
        self._digest = hashlib.sha256()
        self._pending: list[Record] = []
        self._size = 0

    def __enter__(self) -> Writer:
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb")
        self._write(MAGIC + b"%d\n" % VERSION + msgspec.json.encode(self._header) + b"\n")
        return self

    def add(self, records: Sequence[Record]) -> None:
        for each in records:
            self._pending.append(each)
            self._size += len(each.key) + len(each.value)
            self.count += 1
            if self._size >= CHUNK_BYTES:
                self._flush()

    def _flush(self) -> None:
        if self._pending:
            data = zlib.compress(self._encoder.encode(self._pending), 1)
            self._write(FRAME.pack(len(data), zlib.crc32(data)) + data)
            self._pending.clear()
            self._size = 0

    def _write(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            self._file.close()
            self._partial.unlink(missing_ok=True)

    def _finish(self) -> None:
        self._flush()
        self._write(bytes(4) + COUNT.pack(self.count))
        self._file.write(self._digest.digest())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._partial.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class Reader:
    """A backup at `path`. Making one reads the header; `check` reads all of it; both raise `BackupError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        try:
            with path.open("rb") as file:
                self.header = self._head(file, hashlib.sha256())
        except OSError as error:
            raise BackupError(f"{path} cannot be read: {error.strerror}") from error

    def check(self) -> None:
        """Reads everything once; sets `count`."""
        self.count = sum(1 for _ in self.records())

    def records(self) -> Iterator[Record]:
        """The keys in order. That the file is sound is known only when all have been taken: `check` first."""
        digest = hashlib.sha256()
        decoder = msgspec.msgpack.Decoder(list[Record])
        count = 0
        with self.path.open("rb") as file:
            self._head(file, digest)
            while data := self._chunk(file, digest):
                found = self._decoded(data, decoder)
                count += len(found)
                yield from found
            self._tail(file, digest, count)

    def _head(self, file: BinaryIO, digest: Any) -> Header:
        first = file.readline(64)
        digest.update(first)
        if not first.startswith(MAGIC):
            raise BackupError(f"{self.path} is no backup of Sampan's: name a file that `sampan backup` wrote")
        version = first[len(MAGIC) :].strip()
        if not version.isdigit() or int(version) == 0:
            raise self._damaged("its first line")
        if int(version) > VERSION:
            raise BackupError(
                f"{self.path} was written by a newer Sampan (format {int(version)}, this one knows {VERSION}): "
                "restore it with that version"
            )
        line = file.readline(LONGEST_HEADER)
        digest.update(line)
        if not line.endswith(b"\n"):
            raise self._truncated(file)
        try:
            return msgspec.json.decode(line, type=Header)
        except msgspec.MsgspecError:
            raise self._damaged("its header") from None

    def _chunk(self, file: BinaryIO, digest: Any) -> bytes:
        """The next chunk's contents, b"" after the last."""
        length = int.from_bytes(self._take(file, 4, digest))
        if not length:
            return b""
        if length > LONGEST_CHUNK:
            raise self._damaged(f"byte {file.tell() - 4}")
        checksum = int.from_bytes(self._take(file, 4, digest))
        data = self._take(file, length, digest)
        if zlib.crc32(data) != checksum:
            raise self._damaged(f"bytes {file.tell() - length} to {file.tell()}")
        try:
            return zlib.decompress(data)
        except zlib.error:
            raise self._damaged(f"bytes {file.tell() - length} to {file.tell()}") from None

    def _tail(self, file: BinaryIO, digest: Any, count: int) -> None:
        stated = COUNT.unpack(self._take(file, COUNT.size, digest))[0]
        expected = digest.digest()
        if self._take(file, len(expected), hashlib.sha256()) != expected:
            raise self._damaged("its checksum")
        if stated != count or file.read(1):
            raise self._damaged("its end")

    def _decoded(self, data: bytes, decoder: msgspec.msgpack.Decoder[list[Record]]) -> list[Record]:
        try:
            return decoder.decode(data)
        except msgspec.MsgspecError:
            raise self._damaged("its objects") from None

    def _take(self, file: BinaryIO, size: int, digest: Any) -> bytes:
        data = file.read(size)
        if len(data) < size:
            raise self._truncated(file)
        digest.update(data)
        return data

    def _truncated(self, file: BinaryIO) -> BackupError:
        return BackupError(f"{self.path} is truncated: it ends after {file.tell()} bytes: copy it anew, or {ANOTHER}")

    def _damaged(self, where: str) -> BackupError:
        return BackupError(f"{self.path} is damaged ({where}): copy it anew from where it was made, or {ANOTHER}")
