"""The machine's own files of which pods see something: resolv.conf and hosts."""

from __future__ import annotations

from pathlib import Path

from sampan.kubelet import dns

HOSTS = Path("/etc/hosts")
RESOLV_CONFS = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


def resolver(configured: Path | None) -> dns.Resolver:
    """What the node itself uses to find names; `configured` is its resolv.conf, None for the machine's."""
    return dns.parse(read_text(configured or resolv_conf()))


def hosts() -> str:
    return read_text(HOSTS)


def resolv_conf() -> Path:
    """The stub that systemd-resolved puts into /etc/resolv.conf cannot be reached from a pod."""
    return next((path for path in RESOLV_CONFS if path.exists()), RESOLV_CONFS[-1])


def read_text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
