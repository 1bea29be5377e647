"""The processes of one machine, in the order they start: the runtime, then ours, then the guardian of them all."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from sampan.aio import heap
from sampan.aio.backoff import Backoff
from sampan.aio.clock import Clock, SystemClock
from sampan.cluster import components, renewal
from sampan.cluster.options import Options
from sampan.cluster.servers import members, namespaces
from sampan.cluster.servers.plan import Plan
from sampan.cluster.supervision.chores import Chore
from sampan.cluster.supervision.launch import executed, forked, log_to
from sampan.cluster.supervision.processes import Records, record
from sampan.cluster.supervision.supervisor import Program, Supervisor
from sampan.cri import registries
from sampan.cri.containerd import Containerd

SUPERVISOR = "supervisor"
GUARDIAN = "guardian"
CONTAINERD = "containerd"


def supervise(options: Options) -> None:
    """Keeps the cluster's processes running until SIGTERM; what the shared pages hold is frozen before the forks."""
    layout, clock = options.layout, SystemClock()
    log_to(layout.log / f"{SUPERVISOR}.log")
    records = Records(layout.run)
    known = records.load(SUPERVISOR)
    if known is None or known.pid != os.getpid():
        records.save(record(SUPERVISOR, os.getpid(), started=clock.now()))
    components.preload()
    heap.give_back()
    gc.freeze()
    _supervisor([*programs(options, clock), _guardian(options)], records, clock, *chores(options, clock)).run()
    records.remove(SUPERVISOR)


def chores(options: Options, clock: Clock) -> list[Chore]:
    """What is done besides. A machine that has joined asks the API for its certificates: its agent does."""
    found = [] if options.joined else [Chore("certificates", lambda: renewal.renew(options, clock), clock)]
    return [*found, Chore("members", lambda: members.note(options), clock)] if Plan(options) else found


def programs(options: Options, clock: Clock) -> list[Program]:
    """What is kept running, first started first."""
    log = options.layout.log
    plan = Plan(options)
    namespaces.ensure(plan)
    mains = {server.etcd: members.run(server) for server in plan} | components.processes(options)
    own = [
        Program(name=name, start=forked(name, _main(main, options), log / f"{name}.log"))
        for name, main in mains.items()
    ]
    if options.container_runtime_endpoint:
        return own
    runtime = Containerd(
        options.layout.data_dir,
        clock=clock,
        cni_conf_dir=options.cni_configuration,
        cni_bin_dir=Path(options.cni_bin_dir),
        mirrors=registries.parse(options.registry_mirrors),
    )
    runtime.prepare()
    start = executed(runtime.command(), log / f"{CONTAINERD}.log")
    return [Program(name=CONTAINERD, start=start, outlives=True), *own]


def command(options: Options) -> list[str]:
    """How the supervisor is started."""
    return [sys.executable, "-m", "sampan", "supervise", "--data-dir", options.data_dir]


def _main(main: Callable[[Options], None], options: Options) -> Callable[[], None]:
    return lambda: main(options)


def _guardian(options: Options) -> Program:
    """The small process that starts a new supervisor when the supervisor dies."""
    log = options.layout.log

    def guard() -> None:
        start = executed(command(options), log / f"{SUPERVISOR}.log")
        program = Program(name=SUPERVISOR, start=start, outlives=True)
        _supervisor([program], Records(options.layout.run), SystemClock()).run()

    return Program(name=GUARDIAN, start=forked(GUARDIAN, guard, log / f"{GUARDIAN}.log"))


def _supervisor(kept: list[Program], records: Records, clock: Clock, *chores: Chore) -> Supervisor:
    backoff = Backoff(base=0.5, cap=30.0, rng=random.Random(), jitter=0.1)
    return Supervisor(kept, records=records, clock=clock, backoff=backoff, chores=chores)
