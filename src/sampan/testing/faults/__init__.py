"""Faults on purpose: writers, readers and watchers work on a store while it is hurt, and a checker reads what they saw.

`history` is what the clients saw, `checker` says what is wrong with it, `workload` are the clients, `targets` the
stores with the faults each can suffer, `run` brings them together from one seed. By hand:

    python -m sampan.testing.faults --target simulated --seeds 1000
    python -m sampan.testing.faults --target etcd --seed 7
"""

from __future__ import annotations

from sampan.testing.faults.checker import check
from sampan.testing.faults.history import History
from sampan.testing.faults.run import TARGETS, run

__all__ = ["TARGETS", "History", "check", "run"]
