"""What a kubelet works with and on: given from outside once, and handed on whole to the parts that need much of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sampan.aio.clock import Clock
from sampan.client.interface import Client
from sampan.cri.interface import Runtime
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.handlers import Handlers, NodeHandlers
from sampan.kubelet.machine import Machine, Usage, machine
from sampan.kubelet.metrics.counted import CountedClient, CountedRuntime
from sampan.kubelet.metrics.instruments import Instruments
from sampan.kubelet.node import VERSION
from sampan.volumes.mounter import KernelMounter, Mounter


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """`usage()` is the machine's now; calls of `client` and `runtime` are counted in `instruments`."""

    config: KubeletConfig
    client: Client
    runtime: Runtime
    clock: Clock
    rng: random.Random
    machine: Machine
    usage: Callable[[], Usage]
    mounter: Mounter
    handlers: Handlers
    instruments: Instruments


def surroundings(
    *,
    client: Client,
    runtime: Runtime,
    clock: Clock,
    rng: random.Random,
    config: KubeletConfig,
    mounter: Mounter | None,
    handlers: Handlers | None,
    the_machine: Machine | None,
    measure: Callable[[Path], Usage],
) -> Surroundings:
    """With the real ones for what is None; the kubelet's folder is made, and its mounts are shared with containers."""
    instruments = Instruments(config.node_name, VERSION, clock.monotonic)
    counted: Any = CountedRuntime(runtime, instruments)
    server = getattr(getattr(client, "config", None), "server", "")
    requests: Any = CountedClient(client, instruments, urlsplit(server).netloc)
    made = Surroundings(
        config=config,
        client=requests,
        runtime=counted,
        clock=clock,
        rng=rng,
        machine=the_machine or machine(),
        usage=lambda: measure(config.root),
        mounter=mounter or KernelMounter(clock),
        handlers=handlers or NodeHandlers(counted, clock),
        instruments=instruments,
    )
    config.root.mkdir(parents=True, exist_ok=True)
    made.mounter.share(config.root)
    return made
