"""The audit log's file: put aside when it is large, tidied up, whole again after a failure."""

from __future__ import annotations

import errno
import os
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from sampan.api.errors import ApiError
from sampan.apiserver.audit import policy
from sampan.apiserver.audit.auditor import Auditor
from sampan.apiserver.audit.log import FileLog, backups
from sampan.apiserver.audit.options import AuditOptions, Delivery
from sampan.apiserver.audit.sinks import Direct
from sampan.testing.clock import VirtualClock

LINE = b"x" * 400_000 + b"\n"


def tidied() -> None:
    for thread in threading.enumerate():
        if thread.name == "audit-log":
            thread.join()


async def filled(path: Path, clock: VirtualClock, count: int, **options: Any) -> FileLog:
    log = FileLog(AuditOptions(path=path, max_megabytes=1, **options), clock)
    for _ in range(count):
        await clock.advance(1.0)
        log.write(LINE)
        tidied()
    return log


async def test_lines_are_never_cut_in_two_files(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    (await filled(path, VirtualClock(start=0.0), 5)).close()
    assert [file.read_bytes() for file in backups(path)] == [LINE * 2] * 2
    assert path.read_bytes() == LINE
    assert backups(path)[0].name == "audit-1970-01-01T00-00-03.000.log"


async def test_so_many_stay(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    (tmp_path / "audit-notes.log").write_text("not ours")
    (await filled(path, VirtualClock(start=0.0), 9, max_backups=2, compress=True)).close()
    assert [file.suffix for file in backups(path)] == [".gz", ".gz"]
    assert (tmp_path / "audit-notes.log").exists()


async def test_none_older_than_so_many_days_stays(tmp_path: Path) -> None:
    path, clock = tmp_path / "audit.log", VirtualClock()
    log = await filled(path, clock, 3, max_days=2)
    [old] = backups(path)
    await clock.advance(3 * 86_400)
    log.write(LINE)
    log.write(LINE)
    tidied()
    assert old not in backups(path)
    assert len(backups(path)) == 1
    log.close()


async def test_a_restart_goes_on_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    (await filled(path, VirtualClock(start=0.0), 2)).close()
    log = await filled(path, VirtualClock(start=0.0), 1)
    assert len(backups(path)) == 1
    log.close()


def test_a_full_disk_loses_lines_and_tears_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.log"
    log = FileLog(AuditOptions(path=path), VirtualClock(start=0.0))
    real, room = os.write, [b"half", None]

    def full(descriptor: int, data: Any) -> int:
        if not room:
            return real(descriptor, data)
        part = room.pop(0)
        if part is None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, bytes(data)[: len(part)])

    monkeypatch.setattr("sampan.apiserver.audit.log.os.write", full)
    with pytest.raises(OSError, match="No space"):
        log.write(b"first line\n")
    log.write(b"second line\n")
    assert path.read_bytes() == b"firs\nsecond line\n"
    log.close()


class Broken:
    """A log that takes nothing."""

    def write(self, line: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None: ...


def test_what_cannot_be_written_is_counted_told_and_refused_if_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "policy.yaml"
    file.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
    auditor = Auditor(policy.read(file), VirtualClock(start=0.0), random.Random(1), Direct("log", Broken(), Delivery()))
    for _ in range(3):
        auditor.write({}, strict=True)
    assert [record.getMessage() for record in caplog.records] == [
        "audit log cannot be written events_lost=1 problem=[Errno 28] No space left on device"
    ]
    assert 'apiserver_audit_error_total{plugin="log"} 3' in "\n".join(auditor.lines())
    sink = Direct("log", Broken(), Delivery(), strict=True)
    strict = Auditor(policy.read(file), VirtualClock(start=0.0), random.Random(1), sink)
    with pytest.raises(ApiError, match="audit log"):
        strict.write({}, strict=True)
    strict.write({}, strict=False)
    assert "apiserver_audit_requests_rejected_total 1" in "\n".join(strict.lines())
