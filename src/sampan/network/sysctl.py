"""Kernel settings the pod network needs, set when they are not yet; each change is reported to the caller."""

from __future__ import annotations

import logging
from pathlib import Path

log = logging.getLogger(__name__)
ROOT = Path("/proc/sys")


def read(name: str) -> str | None:
    """The value of e.g. `net.ipv4.ip_forward`; None when this kernel has no such setting."""
    try:
        return _path(name).read_text().strip()
    except OSError:
        return None


def ensure(name: str, value: str) -> bool:
    """Sets it; True when it had another value before. Raises OSError with what to do when that is not allowed."""
    if read(name) == value:
        return False
    try:
        _path(name).write_text(value)
    except OSError as error:
        raise OSError(f"cannot set {name}={value} ({error.strerror}): run as root, or set it with sysctl") from None
    log.info("kernel setting changed name=%s value=%s", name, value)
    return True


def _path(name: str) -> Path:
    return ROOT / name.replace(".", "/")
