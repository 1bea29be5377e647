"""A sample of seeds on each target; thousands: `python -m sampan.testing.faults --target T --seeds N`.

A seed that fails is named with its faults, and does the same again (`--seed S`) where time is virtual.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest

from sampan.testing import etcd
from sampan.testing.faults.run import TARGETS, VIRTUAL, Verdict, run

SAMPLES = {"simulated": range(130), "distant": range(45), "servers": range(20), "sqlite": range(12)}


def told(target: str, verdict: Verdict) -> str:
    problems = "\n".join(verdict.problems[:10])
    return f"python -m sampan.testing.faults --target {target} --seed {verdict.seed}  # {verdict.faults}\n{problems}"


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("sampan").setLevel(logging.CRITICAL)


@pytest.mark.parametrize(("target", "seed"), [(target, seed) for target, seeds in SAMPLES.items() for seed in seeds])
def test_a_sample_of_seeds(target: str, seed: int) -> None:
    verdict = run(target, seed)
    assert not verdict.problems, told(target, verdict)
    outcomes = [attempt.outcome for attempt in verdict.history.attempts]
    assert outcomes.count("succeeded") > 20


@pytest.mark.skipif(not etcd.available(), reason="no etcd on this machine: install etcd-server")
@pytest.mark.parametrize("fault", sorted(TARGETS["etcd"](0).faults))
def test_each_fault_of_etcd(fault: str) -> None:
    verdict = run("etcd", 1, faults=[fault])
    assert not verdict.problems, told("etcd", verdict)
    assert [attempt.outcome for attempt in verdict.history.attempts].count("succeeded") > 20


@pytest.mark.parametrize("target", VIRTUAL)
def test_a_seed_does_the_same_again(target: str) -> None:
    """In another process, too, which puts what it hashes in another order."""
    verdict = run(target, 11)
    again = subprocess.run(
        [sys.executable, "-m", "sampan.testing.faults", "--target", target, "--seed", "11"],
        env={**os.environ, "PYTHONHASHSEED": "11"},
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    assert f"history {verdict.digest}" in again.stdout
    assert run(target, 12).digest != verdict.digest


def test_an_engine_that_forgets_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness on a store that acknowledges before it has written."""
    from sampan.testing.faults.targets import disk

    def early(self: disk.SlowLog, unit: object, written: object) -> None:
        written(None, {})  # type: ignore[operator]
        original(self, unit, lambda error, rows: None)

    original = disk.SlowLog.append
    monkeypatch.setattr(disk.SlowLog, "append", early)
    assert any(run("simulated", seed, faults=["crash"] * 8).problems for seed in range(5))


def test_servers_that_do_not_ask_before_they_read_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness on API servers whose caches think that they are never behind."""
    from sampan.store.cache import WatchCache

    async def hasty(self: WatchCache) -> int:
        return self.revision

    monkeypatch.setattr(WatchCache, "fresh", hasty)
    found = [problem for seed in range(3) for problem in run("servers", seed, faults=["member-lagging"] * 4).problems]
    assert any("had been acknowledged before it began" in problem for problem in found)


def test_a_client_that_sends_commits_twice_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The harness on a client of etcd that takes a commit without an answer for one that was not made."""
    from sampan.store.etcd.connection import Connection

    async def again(self: Connection, name: str, request: object, *, repeatable: bool, seconds: float = 5) -> object:
        return await original(self, name, request, repeatable=True, seconds=seconds)

    original = Connection.call
    monkeypatch.setattr(Connection, "call", again)
    faults = ["way-lossy", "member-forgetful", "way-lossy", "member-forgetful"]
    assert any(run("distant", seed, faults=faults).problems for seed in range(4))


def test_there_are_thirty_kinds_of_faults() -> None:
    assert len({fault for target in TARGETS.values() for fault in target(0).faults}) >= 30


@pytest.mark.parametrize("target", ["distant", "servers"])
def test_named_faults_are_done(target: str) -> None:
    """Named faults leave another history than none does."""
    untouched = run(target, 5, faults=["compaction"]).digest
    assert run(target, 5, faults=["program-killed"]).digest != untouched
