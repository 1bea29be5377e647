"""Only in the machine of scripts/test-debian. Each file brings up a cluster of its own, as a user would."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from .machine import DATA_DIR, REBOOTED, Debian

collect_ignore_glob = [] if os.environ.get("SAMPAN_TEST_DEBIAN") else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What restarts the machine comes last, and after that nothing else is run again."""
    last = [item for item in items if item.name == "test_a_reboot"]
    items[:] = last if REBOOTED.exists() else [item for item in items if item not in last] + last


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What failed before the machine restarted counts."""
    if REBOOTED.exists() and REBOOTED.read_text() != "0":
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="module")
def debian(whole_machine: None) -> Iterator[Debian]:
    """No cluster yet; whatever there is afterwards is taken down. On failure the logs are in what pytest shows."""
    running = Debian()
    try:
        yield running
    finally:
        if DATA_DIR.exists():
            subprocess.run(f"tail -n 20 {DATA_DIR}/log/*", shell=True, check=False)
            running.down()
