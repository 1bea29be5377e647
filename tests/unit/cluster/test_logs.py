"""Logs of a cluster's processes: their owner's alone, however often they are begun anew."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from sampan.cluster.supervision.launch import Private


def test_a_log_stays_private_through_its_rotations(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.touch(mode=0o644)
    before = os.umask(0)
    handler = Private(path, maxBytes=100, backupCount=2)
    try:
        for number in range(9):
            handler.emit(logging.LogRecord("a", logging.INFO, "", 0, f"{number} " + "x" * 60, None, None))
    finally:
        handler.close()
        os.umask(before)
    found = sorted(tmp_path.iterdir())
    assert [one.name for one in found] == ["agent.log", "agent.log.1", "agent.log.2"]
    assert {stat.S_IMODE(one.stat().st_mode) for one in found} == {0o600}
