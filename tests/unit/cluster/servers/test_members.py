"""etcd members that lost their data: a new place, and never the old one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

import pytest

from sampan.aio.clock import SystemClock
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options
from sampan.cluster.servers import members
from sampan.cluster.servers.membership import Known, Membership, rejoin
from sampan.cluster.servers.plan import Plan
from sampan.store.etcd import EtcdStore
from sampan.store.interface import Put
from sampan.testing import etcd

PLACES = {"etcd-1": "https://172.31.255.2:2380", "etcd-2": "https://172.31.255.3:2380"}


class Others(Membership):
    """What the other members would say, without them: `known` by name, "" for one yet to be started."""

    def __init__(self, known: dict[str, str], *, well: int = 2) -> None:
        super().__init__([], None)
        self.known = known
        self.well = well
        self.done: list[str] = []

    def members(self) -> list[Known]:
        return [Known(id=peer, name=name, peers=(peer,)) for peer, name in self.known.items()]

    def remove(self, known: Known) -> None:
        self.done.append("remove")
        del self.known[known.id]

    def add(self, peer: str) -> None:
        self.done.append("add")
        self.known[peer] = ""

    def healthy(self) -> list[str]:
        return ["well"] * self.well


@pytest.fixture
def options(tmp_path: Path) -> Options:
    return Options(data_dir=str(tmp_path), servers=3)


def place_data(options: Options, number: int) -> Path:
    wal = members.folder(options, Plan(options).servers[number]) / "member" / "wal"
    wal.mkdir(parents=True)
    (wal / "0.wal").touch()
    return wal


@pytest.mark.parametrize(
    ("before", "done"),
    [
        ({PLACES["etcd-1"]: "etcd-1", PLACES["etcd-2"]: "etcd-2"}, ["remove", "add"]),
        ({PLACES["etcd-1"]: "etcd-1"}, ["add"]),
        ({PLACES["etcd-1"]: "etcd-1", PLACES["etcd-2"]: ""}, []),
    ],
    ids=["lost", "cut short after it was removed", "cut short after it was added"],
)
def test_a_lost_member_gets_a_new_place(before: dict[str, str], done: list[str]) -> None:
    others = Others(before)
    wanted = ",".join(f"{name}={peer}" for name, peer in PLACES.items())
    assert rejoin(others, "etcd-2", PLACES["etcd-2"]) == wanted
    assert others.done == done


@pytest.mark.parametrize(("data", "known", "state"), [(0, 0, "new"), (1, 0, "new"), (1, 1, "new"), (0, 1, "existing")])
def test_who_has_had_data_and_has_none_does_not_take_its_old_place(
    options: Options, data: int, known: int, state: str
) -> None:
    server = Plan(options).servers[1]
    if data:
        place_data(options, 1)
    if known:
        members.mark(options, server).parent.mkdir(exist_ok=True)
        members.mark(options, server).touch()
    others = Others({each.peer_url: each.etcd for each in Plan(options)})
    command = members.command_of(options, server, others)
    assert f"--initial-cluster-state={state}" in command
    assert bool(others.done) == (state == "existing")


def test_who_cannot_join_says_why_and_is_started_again(
    options: Options, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server = Plan(options).servers[1]
    members.mark(options, server).parent.mkdir()
    members.mark(options, server).touch()
    monkeypatch.setattr(members, "others", lambda options, server: Membership(["http://127.0.0.1:1"], None))
    with pytest.raises(SystemExit):
        members.run(server)(options)
    assert "no etcd member could list members" in caplog.text


def test_members_are_marked_once_they_have_data(options: Options) -> None:
    first, second, _ = Plan(options)
    wal = place_data(options, 0)
    members.folder(options, second).joinpath("member").mkdir(parents=True)
    assert members.note(options) == members.NOTE_SECONDS
    shutil.rmtree(wal)
    members.note(options)
    assert members.mark(options, first).exists() and not members.mark(options, second).exists()


def test_what_is_needed_is_not_put_aside(options: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    data = place_data(options, 1)
    monkeypatch.setattr(members, "others", lambda options, server: Others({}, well=1))
    with pytest.raises(ClusterError, match="fewer than a majority of 3"):
        members.replace(options, "etcd-2", SystemClock())
    with pytest.raises(ClusterError, match="this cluster has etcd-1, etcd-2, etcd-3"):
        members.replace(options, "etcd-9", SystemClock())
    assert data.exists()
    monkeypatch.setattr(members, "others", lambda options, server: Others({}, well=2))
    aside = members.replace(options, "etcd-2", SystemClock())
    assert members.has_data(aside) and not members.has_data(members.folder(options, Plan(options).servers[1]))
    assert members.mark(options, Plan(options).servers[1]).exists()


async def put(store: EtcdStore, key: str) -> None:
    while True:
        with contextlib.suppress(Exception):
            await store.commit([], [Put(key, b"")])
            return


@pytest.mark.skipif(not etcd.available(), reason="no etcd on this machine: install etcd-server")
async def test_real_members_take_one_back_that_lost_its_data() -> None:
    with etcd.cluster(3) as cluster:
        await cluster.ready()
        lost, *others = cluster.members
        store = EtcdStore([member.url for member in others], SystemClock())
        await store.start()
        await put(store, "/a")
        lost.kill()
        shutil.rmtree(lost.folder / "data")
        membership = Membership([member.url for member in others], None)
        async with asyncio.timeout(60):
            while len(await asyncio.to_thread(membership.healthy)) < 2:
                pass  # the lost one may have led: the others choose anew
            while True:
                # The two that are left have to be sure of each other first.
                with contextlib.suppress(ClusterError):
                    initial = await asyncio.to_thread(rejoin, membership, lost.name, lost.peer_url)
                    break
        lost.start(initial, "existing")
        await cluster.ready()
        await store.close()
        others[0].kill()
        alone = EtcdStore([lost.url], SystemClock(), seconds=30)
        await alone.start()
        await put(alone, "/b")
        assert await alone.get("/a") is not None
        with pytest.raises(ClusterError, match="no etcd member could list members"):
            Membership([others[0].url], None).members()
        await alone.close()
