"""What all of these tests share: root, and the machine for themselves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

LOCK = Path("/run/lock/sampan-e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.geteuid():
        raise pytest.UsageError("the tests in tests/e2e run containers and need root: run scripts/test as root")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """In an emulated machine a failure is shown at once: the end may be an hour away."""
    if report.failed and os.environ.get("SAMPAN_TEST_DEBIAN"):
        print(f"\n{report.longreprtext}", flush=True)


@pytest.fixture(scope="session")
def whole_machine() -> Iterator[None]:
    """A second run of tests with whole clusters waits for the first to end."""
    with LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
