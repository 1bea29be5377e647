"""The kernel's memory of connections, as large and as long as the configuration says.

Only what is said is set; the memory is never made smaller. Source: "kube-proxy Configuration (v1alpha1)", conntrack.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from sampan.network import sysctl

log = logging.getLogger(__name__)
PER_CORE, LEAST = 32768, 131072
"""Upstream's, for who says one of the two only."""
PREFIX = "net.netfilter.nf_conntrack_"


@dataclass(frozen=True, kw_only=True)
class Tracking:
    """Connections for each processor, and at least (None: not said); seconds that they are remembered, 0 for the
    kernel's own."""

    per_core: int | None = None
    least: int | None = None
    established_seconds: int = 0
    close_wait_seconds: int = 0
    liberal: bool = False
    udp_seconds: int = 0
    udp_stream_seconds: int = 0


def wanted(tracking: Tracking, cores: int, most: int) -> dict[str, str]:
    """Kernel settings by name; `most`: connections that are remembered now. Pure."""
    found = {
        "tcp_timeout_established": tracking.established_seconds,
        "tcp_timeout_close_wait": tracking.close_wait_seconds,
        "tcp_be_liberal": int(tracking.liberal),
        "udp_timeout": tracking.udp_seconds,
        "udp_timeout_stream": tracking.udp_stream_seconds,
        "max": _most(tracking, cores, most),
    }
    return {PREFIX + name: str(value) for name, value in found.items() if value}


def apply(tracking: Tracking, ensure: Callable[[str, str], bool] = sysctl.ensure) -> None:
    """What the kernel does not allow here is logged, for services work without."""
    most = int(sysctl.read(PREFIX + "max") or 0)
    for name, value in wanted(tracking, os.cpu_count() or 1, most).items():
        try:
            ensure(name, value)
        except OSError as error:
            log.warning("conntrack is not set as configured error=%s", error)


def _most(tracking: Tracking, cores: int, most: int) -> int:
    """0 to leave it; upstream's `maxPerCore: 0` says so, whatever `min` is."""
    if (tracking.per_core is None and tracking.least is None) or tracking.per_core == 0:
        return 0
    per_core = PER_CORE if tracking.per_core is None else tracking.per_core
    asked = max(per_core * cores, LEAST if tracking.least is None else tracking.least)
    return asked if asked > most else 0
