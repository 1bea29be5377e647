"""The etcd members that run here: how each starts, and what is done for one whose data are gone.

A member that has data starts with them. One without is either of a cluster that begins, or it has lost them; then it
must not take its old place, but is given a new one by the others, and gets the data from them. Which of the two it is
is told by a mark beside its data, made once they are there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from sampan.aio.clock import Clock, timestamp
from sampan.cluster import storage
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options
from sampan.cluster.servers.membership import Membership, context, rejoin
from sampan.cluster.servers.plan import ETCD_AUTHORITY, Plan, Server
from sampan.cluster.supervision.processes import Record, Records

log = logging.getLogger(__name__)
NOTE_SECONDS = 10.0
LOOK_SECONDS, PATIENCE_SECONDS = 0.2, 60.0


def folder(options: Options, server: Server) -> Path:
    return options.layout.etcd / server.etcd


def mark(options: Options, server: Server) -> Path:
    """There once the member has had data."""
    return options.layout.etcd / f"{server.etcd}.made"


def has_data(path: Path) -> bool:
    """etcd takes a folder without a log for that of a new member."""
    log_folder = path / "member" / "wal"
    return log_folder.is_dir() and any(log_folder.glob("*.wal"))


def note(options: Options) -> float:
    """Marks the members that have data; gives the seconds until it is to be done again."""
    for server in Plan(options):
        if has_data(folder(options, server)) and not mark(options, server).exists():
            mark(options, server).touch(mode=0o600)
    return NOTE_SECONDS


def run(server: Server) -> Callable[[Options], None]:
    """The member as a process: becomes etcd."""

    def main(options: Options) -> None:
        try:
            command = command_of(options, server, others(options, server))
        except ClusterError as error:
            log.error("the etcd member cannot join, and tries again member=%s error=%s", server.etcd, error)
            sys.exit(1)
        os.execvp(command[0], command)

    return main


def command_of(options: Options, server: Server, membership: Membership) -> list[str]:
    """How it starts, once the others have given it a new place if it needs one. Raises ClusterError."""
    plan, data = Plan(options), folder(options, server)
    if has_data(data) or not mark(options, server).exists():
        return plan.etcd_command(server)
    log.warning("the etcd member has lost its data and is given a new place member=%s", server.etcd)
    members = rejoin(membership, server.etcd, server.peer_url)
    shutil.rmtree(data, ignore_errors=True)
    return plan.etcd_command(server, members=members)


def others(options: Options, server: Server) -> Membership:
    """The cluster without that member."""
    return _membership(options, [each for each in Plan(options) if each != server])


def _membership(options: Options, servers: list[Server]) -> Membership:
    known = storage.credentials(options)
    assert known and known.authority and known.certificate and known.key, "servers have certificates for etcd"
    tls = context(known.authority, known.certificate, known.key)
    return Membership([server.client_url for server in servers], tls)


def replace(options: Options, name: str, clock: Clock) -> Path:
    """Takes a member's data away, so that it is given a new place with the others' data; tells where the old ones are.

    Raises ClusterError for one that there is not, or without which the others are no majority.
    """
    server = _named(options, name)
    healthy = others(options, server).healthy()
    if len(healthy) <= len(Plan(options)) // 2:
        raise ClusterError(
            f"of the other etcd members {len(healthy)} are well, fewer than a majority of {len(Plan(options))}: what "
            f"{name} holds may be needed; see the members' logs, and restore a backup if they cannot be brought back"
        )
    data = folder(options, server)
    aside = data.with_name(f"{name}.replaced-{timestamp(clock.now()).replace(':', '')}")
    mark(options, server).touch(mode=0o600)
    if data.exists():
        data.rename(aside)
    running = Records(options.layout.run).load(name)
    if running is not None:
        running.signal(signal.SIGKILL)
    return aside


def _named(options: Options, name: str) -> Server:
    plan = Plan(options)
    for server in plan:
        if server.etcd == name:
            return server
    there = ", ".join(server.etcd for server in plan) or "no members, since it was made without `--servers`"
    raise ClusterError(f"there is no etcd member {name}: this cluster has {there}")


async def take_up(options: Options, clock: Clock) -> None:
    """Restarts the members that began before their authority's file was last written: etcd reads it once.

    One after another, each when the one before is back; the supervisor starts them again. Raises ClusterError when one
    does not come back: the rest are left as they are.
    """
    authority, records = options.layout.pki / f"{ETCD_AUTHORITY}.crt", Records(options.layout.run)
    for server in Plan(options):
        running = records.load(server.etcd)
        if running is not None and running.alive and running.started < authority.stat().st_mtime:
            await _restart(options, clock, server, running)


async def _restart(options: Options, clock: Clock, server: Server, running: Record) -> None:
    membership, records = _membership(options, [server]), Records(options.layout.run)

    def is_back() -> bool:
        now = records.load(server.etcd)
        return now is not None and now.alive and now.pid != running.pid and bool(membership.healthy())

    async def back() -> None:
        while not await asyncio.to_thread(is_back):
            await clock.sleep(LOOK_SECONDS)

    running.signal(signal.SIGTERM)
    try:
        await clock.wait_for(back(), PATIENCE_SECONDS)
    except TimeoutError:
        raise ClusterError(
            f"{server.etcd} was restarted and is not well after {PATIENCE_SECONDS:.0f} s: see its log; the members "
            "after it were not restarted, and will be when this command is run again"
        ) from None
