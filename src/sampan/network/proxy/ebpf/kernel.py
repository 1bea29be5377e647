"""bpf(2) by ctypes: maps, programs, and the cgroup they hang on. Every function raises OSError.

File descriptors are the caller's to close. Source: bpf(2), linux/bpf.h.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

from sampan.network.errors import RefusedByKernel, Unusable
from sampan.network.proxy.ebpf.layout import MapForm

CALL_NUMBER = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "s390x": 351, "ppc64le": 361}
(MAP_CREATE, _, UPDATE, DELETE, _, PROG_LOAD, _, _, ATTACH, DETACH, _, _, _, PROG_BY_ID, MAP_BY_ID, INFO, QUERY) = (
    range(17)
)
LOOKUP_BATCH, UPDATE_BATCH = 24, 26
AT_ONCE = 4096
"""Entries read by one call."""
CGROUP_SOCK_ADDR = 18
MULTIPLE, REPLACE = 2, 4
LICENSE = ctypes.create_string_buffer(b"Apache-2.0")
LOG_BYTES = 1 << 16
NAME_BYTES = 15
MOST_PROGRAMS = 64

_libc = ctypes.CDLL(None, use_errno=True)


def cgroup_root() -> str:
    """Where cgroup v2 is mounted; raises Unusable."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] == "cgroup2":
            return before.split()[4]
    raise Unusable("proxy mode ebpf needs cgroup v2: mount -t cgroup2 none /sys/fs/cgroup/unified, or use nftables")


def create_map(form: MapForm, name: str) -> int:
    return _call(
        MAP_CREATE,
        struct.pack("=7I16s", form.kind, form.key, form.value, form.capacity, form.flags, 0, 0, name.encode()),
    )


def fill(descriptor: int, entries: Mapping[bytes, bytes]) -> None:
    """Puts all entries in with one call."""
    if not entries:
        return
    keys, values = _buffer(b"".join(entries)), _buffer(b"".join(entries.values()))
    places = (0, 0, ctypes.addressof(keys), ctypes.addressof(values), len(entries), descriptor, 0, 0)
    _call(UPDATE_BATCH, struct.pack("=4Q2I2Q", *places))


def content(descriptor: int, form: MapForm) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a hash map."""
    keys, values = (ctypes.create_string_buffer(size * AT_ONCE) for size in (form.key, form.value))
    place, start, more = ctypes.create_string_buffer(8), 0, True
    while more:
        places = (start, *map(ctypes.addressof, (place, keys, values)), AT_ONCE, descriptor, 0, 0)
        attribute = ctypes.create_string_buffer(struct.pack("=4Q2I2Q", *places), 128)
        try:
            _bpf(LOOKUP_BATCH, attribute)
        except FileNotFoundError:  # The end; what was left is there.
            more = False
        count, start = struct.unpack_from("=I", attribute, 32)[0], ctypes.addressof(place)
        yield from zip(_pieces(keys, form.key, count), _pieces(values, form.value, count), strict=True)


def put(descriptor: int, key: bytes, value: bytes) -> None:
    held, given = _buffer(key), _buffer(value)
    _call(UPDATE, struct.pack("=I4xQQQ", descriptor, ctypes.addressof(held), ctypes.addressof(given), 0))


def delete(descriptor: int, key: bytes) -> None:
    """Nothing there is no error."""
    held = _buffer(key)
    with contextlib.suppress(FileNotFoundError):
        _call(DELETE, struct.pack("=I4xQQQ", descriptor, ctypes.addressof(held), 0, 0))


def load_program(code: bytes, name: str, attach_type: int) -> int:
    """Raises RefusedByKernel with the end of the verifier's words."""
    instructions, log = _buffer(code), ctypes.create_string_buffer(LOG_BYTES)
    head = (CGROUP_SOCK_ADDR, len(code) // 8, ctypes.addressof(instructions), ctypes.addressof(LICENSE))
    tail = (1, LOG_BYTES, ctypes.addressof(log), 0, 0, name.encode(), 0, attach_type)
    try:
        return _call(PROG_LOAD, struct.pack("=IIQQIIQII16sII", *head, *tail))
    except PermissionError:
        if log.value:
            raise RefusedByKernel(_last_lines(log.value)) from None
        raise
    except OSError as error:
        raise RefusedByKernel(f"{name}: {error.strerror}: {_last_lines(log.value)}") from None


def attach(cgroup: int, program: int, attach_type: int, instead_of: int | None = None) -> None:
    """Beside other programs there, or in the place of one of them."""
    flags = MULTIPLE if instead_of is None else MULTIPLE | REPLACE
    _call(ATTACH, struct.pack("=5I", cgroup, program, attach_type, flags, instead_of or 0))


def detach(cgroup: int, program: int, attach_type: int) -> None:
    _call(DETACH, struct.pack("=4I", cgroup, program, attach_type, 0))


def attached(cgroup: int, attach_type: int) -> list[int]:
    """Identifiers of the programs there."""
    found = (ctypes.c_uint32 * MOST_PROGRAMS)()
    attribute = ctypes.create_string_buffer(
        struct.pack("=4IQ2I", cgroup, attach_type, 0, 0, ctypes.addressof(found), MOST_PROGRAMS, 0), 128
    )
    _bpf(QUERY, attribute)
    return list(found[: struct.unpack_from("=I", attribute, 24)[0]])


def program_by_id(identifier: int) -> int:
    return _call(PROG_BY_ID, struct.pack("=III", identifier, 0, 0))


def program_info(program: int) -> tuple[int, str, list[int]]:
    """Its identifier, its name, and the identifiers of its maps."""
    maps = (ctypes.c_uint32 * MOST_PROGRAMS)()
    data = _info(program, struct.pack("=52xIQ", MOST_PROGRAMS, ctypes.addressof(maps)), 80)
    count = struct.unpack_from("=I", data, 52)[0]
    return struct.unpack_from("=I", data, 4)[0], _text(data[64:80]), list(maps[:count])


def maps_by_name(identifiers: list[int]) -> Iterator[tuple[str, int]]:
    """(name, descriptor) of each map that is still there."""
    for identifier in identifiers:
        with contextlib.suppress(FileNotFoundError):
            descriptor = _call(MAP_BY_ID, struct.pack("=III", identifier, 0, 0))
            yield _text(_info(descriptor, b"", 40)[24:40]), descriptor


def _info(descriptor: int, given: bytes, size: int) -> bytes:
    held = ctypes.create_string_buffer(given, size)
    _call(INFO, struct.pack("=IIQ", descriptor, size, ctypes.addressof(held)))
    return held.raw


def _call(command: int, attribute: bytes) -> int:
    return _bpf(command, ctypes.create_string_buffer(attribute, 128))


def _bpf(command: int, attribute: ctypes.Array[ctypes.c_char]) -> int:
    number = CALL_NUMBER.get(platform.machine())
    if number is None:
        raise Unusable(f"proxy mode ebpf does not know {platform.machine()}: use nftables")
    result = _libc.syscall(number, command, attribute, len(attribute))
    if result < 0:
        code = ctypes.get_errno()
        if code in (errno.EPERM, errno.ENOSYS):
            raise Unusable("the kernel lets us load no programs: run as root, or use proxy mode nftables")
        raise OSError(code, os.strerror(code))
    return int(result)


def _buffer(data: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(data, len(data))


def _pieces(data: ctypes.Array[ctypes.c_char], size: int, count: int) -> list[bytes]:
    held = data.raw
    return [held[start : start + size] for start in range(0, size * count, size)]


def _last_lines(log: bytes) -> str:
    return " | ".join(log.decode(errors="replace").strip().splitlines()[-4:])


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode(errors="replace")
