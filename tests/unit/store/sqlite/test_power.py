"""The power goes between any two system calls of the writer; more seeds: `python -m sampan.testing.faults.power`."""

from __future__ import annotations

import pytest

from sampan.testing.faults import injection, power

pytestmark = pytest.mark.skipif(bool(injection.missing()), reason=injection.missing() or "-")


@pytest.mark.parametrize("seed", range(2))
def test_whatever_the_disk_holds_has_what_was_acknowledged(seed: int) -> None:
    calls, problems = power.tried(seed)
    assert not problems, f"python -m {power.MODULE} --seed {seed}\n" + "\n".join(problems[:5])
    assert calls > 500


def test_a_writer_that_does_not_sync_is_found() -> None:
    _, problems = power.tried(0, careless=True)
    assert any("synced: after" in problem for problem in problems)
