"""The store a cluster's options name, and when a server has to open it anew."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from sampan.cluster import storage
from sampan.cluster.options import Options
from sampan.cluster.servers.plan import Plan
from sampan.testing.clock import VirtualClock


async def test_servers_start_anew_one_after_another_when_their_certificate_has_changed(tmp_path: Path) -> None:
    clock = VirtualClock()
    options = Options(data_dir=str(tmp_path), servers=3)
    certificate = options.layout.pki / "apiserver-etcd-client.crt"
    certificate.parent.mkdir()
    certificate.write_text("old")
    ends = [asyncio.create_task(storage.credentials_change(options, clock, server)) for server in Plan(options)]
    await clock.advance(3600)
    assert not any(task.done() for task in ends)
    certificate.write_text("newer")
    await clock.advance(storage.LOOK_SECONDS)
    done = []
    for _ in range(4):
        done.append(sum(task.done() for task in ends))
        await clock.advance(storage.TURN_SECONDS)
    assert done == [0, 1, 2, 3]


async def test_without_certificates_nobody_has_to(tmp_path: Path) -> None:
    clock = VirtualClock()
    options = Options(data_dir=str(tmp_path))
    for store in ("sqlite", "etcd=http://10.0.0.1:2379"):
        chosen = msgspec.structs.replace(options, store=store)
        task = asyncio.create_task(storage.credentials_change(chosen, clock))
        await clock.advance(3600)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_the_files_given_for_etcd_are_those_used(tmp_path: Path) -> None:
    files = {"etcd_cafile": "/e/ca.crt", "etcd_certfile": "/e/c.crt", "etcd_keyfile": "/e/c.key"}
    options = Options(data_dir=str(tmp_path), store="etcd=https://10.0.0.1:2379", etcd_user="u", **files)
    used = storage.credentials(options)
    assert used is not None
    assert (used.authority, used.certificate, used.key) == tuple(Path(path) for path in files.values())
    assert used.user == "u"
    assert storage.credentials(Options(data_dir=str(tmp_path))) is None
