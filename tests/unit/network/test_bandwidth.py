"""What is asked of tc, and of nobody when nothing was asked for. See tests/e2e/network/test_pod_network.py, too."""

from __future__ import annotations

import logging

import pytest

from sampan.api.kinds import core_v1, meta_v1
from sampan.network import bandwidth, command


def test_burst() -> None:
    assert [bandwidth.burst(rate) for rate in (125, 1_000_000, 125_000_000)] == [65536, 100_000, 12_500_000]


async def test_what_cannot_be_tightened_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    async def run(words: tuple[str, ...], text: str = "") -> command.Result:
        asked.append(words)
        return command.Result(2, "", "RTNETLINK answers: Network is unreachable")

    monkeypatch.setattr(bandwidth, "run", run)
    metadata = meta_v1.ObjectMeta(name="slow", annotations={"other": "8M"})
    with caplog.at_level(logging.WARNING):
        await bandwidth.tighten(core_v1.Pod(metadata=metadata), ["10.244.0.2"])
        assert not asked and not caplog.text
        metadata.annotations["kubernetes.io/egress-bandwidth"] = "8M"
        await bandwidth.tighten(core_v1.Pod(metadata=metadata), ["10.244.0.2"])
    assert asked == [("ip", "-j", "route", "get", "10.244.0.2")]
    assert "name=slow error=RTNETLINK answers" in caplog.text
