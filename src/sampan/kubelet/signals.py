"""Signals by name, as `lifecycle.stopSignal` has them: pure (KEP-4960; API reference, Lifecycle)."""

from __future__ import annotations

import signal

from sampan.cri.messages import pb
from sampan.kubelet.environment import ConfigError

REAL_TIME = {"SIGRTMIN+": 1, "SIGRTMAX-": -1}


def of_cri(name: str) -> int:
    """CRI's number (`SIGRTMIN+1` is SIGRTMINPLUS1 there), heeded by runtimes that know of it. Raises ConfigError."""
    try:
        return int(pb.Signal.Value(name.replace("+", "PLUS").replace("-", "MINUS")))
    except ValueError:
        raise ConfigError(f"{name} is no signal that a container can be stopped with") from None


def of_linux(name: str) -> int:
    """The kernel's number; 0 for a name that is none, and for ""."""
    for start, sign in REAL_TIME.items():
        if name.startswith(start) and name[len(start) :].isdigit():
            return int(signal.Signals[start[:-1]]) + sign * int(name[len(start) :])
    return int(signal.Signals[name]) if name in signal.Signals.__members__ else 0
