"""What a kubelet works with and on: given from outside once, and handed on whole to the parts that need much of it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from sampan.aio.clock import Clock
from sampan.client.interface import Client
from sampan.cri.interface import Runtime
from sampan.kubelet.config import KubeletConfig
from sampan.kubelet.handlers import Handlers
from sampan.kubelet.machine import Machine, Usage
from sampan.kubelet.metrics.instruments import Instruments
from sampan.volumes.mounter import Mounter


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """`usage()` is the machine's now; calls of `runtime` are counted in `instruments`."""

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
