"""Faults on purpose: writers, readers and watchers work on a store while it is hurt, and a checker reads what they saw.

`history` is what the clients saw, `checker` says what is wrong with it, `workload` are the clients, `targets` what can
be hurt and how, `run` brings them together from one seed. `apistore` and `http` let the clients use API servers as a
store; `injection` and `sampan.testing.netns` hurt real processes; `power` cuts the power of the SQLite store. By hand:

    python -m sampan.testing.faults --help
"""

from __future__ import annotations

from sampan.testing.faults.checker import check
from sampan.testing.faults.history import History
from sampan.testing.faults.run import TARGETS, run

__all__ = ["TARGETS", "History", "check", "run"]
