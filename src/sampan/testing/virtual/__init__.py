"""A whole control plane in one process and in virtual time, from one seed, with faults injected.

The real API server, all controllers, the scheduler and simulated nodes run in one event loop; requests are handed over
without a socket, the store is in memory, and the clock stands still until the test lets it pass. What is random comes
from the seed, the faults included, so a seed that failed fails again in exactly the same way: `VirtualCluster.digest`
of the two runs is equal.

`testing.direct` hands requests over, `network` and `disk` hurt them, `history` remembers what was stored, `cluster`
brings them together.
"""

from __future__ import annotations

from sampan.testing.virtual.cluster import VirtualCluster, simulate
from sampan.testing.virtual.disk import StoreFaults
from sampan.testing.virtual.network import NetworkFaults

__all__ = ["NetworkFaults", "StoreFaults", "VirtualCluster", "simulate"]
