"""The names last heard of, in a file: a DNS server that is started while the API server is away answers them.

Whatever the file holds is taken back once the API has been heard: it is a memory, not a source. A file that is damaged
or of another form counts as none.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import msgspec

from sampan.network.dns.records import Record
from sampan.network.dns.zone import Zone

log = logging.getLogger(__name__)

FORM = 1
MODE = 0o600


class Names(msgspec.Struct, array_like=True):
    """`services`: (name, type, data) of the records by owner."""

    form: int
    zone: str
    namespaces: list[str]
    services: dict[str, list[tuple[bytes, int, bytes]]]


def taken(zone: Zone) -> bytes:
    return msgspec.msgpack.encode(Names(FORM, zone.name, sorted(zone.namespaces), dict(zone.records())))


def write(file: Path, data: bytes) -> None:
    """Whole or not at all. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, MODE), "wb") as opened:
        opened.write(data)
    draft.replace(file)


def read(file: Path, zone: str) -> Names | None:
    """None when there is none for this zone."""
    try:
        found = msgspec.msgpack.decode(file.read_bytes(), type=Names)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        log.warning("names of before are not used file=%s error=%s", file, error)
        return None
    return found if (found.form, found.zone) == (FORM, zone) else None


def put(names: Names, zone: Zone) -> None:
    for namespace in names.namespaces:
        zone.add_namespace(namespace)
    for owner, records in names.services.items():
        zone.replace(owner, frozenset(Record(*record) for record in records))


def take_back(names: Names, zone: Zone, *, namespaces: set[str], services: set[str]) -> None:
    """What is there no more."""
    for namespace in set(names.namespaces) - namespaces:
        zone.remove_namespace(namespace)
    for owner in set(names.services) - services:
        zone.replace(owner, frozenset())
