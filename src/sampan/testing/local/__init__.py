"""A control plane for a test: real API server, TLS, kubeconfig, ready in a fraction of a second, gone at the end.

`setup` is what may be asked for, `parts` runs it in an event loop, `thread` and `child` give it a loop of its own in
this process or another, `running` is what the test gets.
"""

from __future__ import annotations

from sampan.testing.local.running import Cluster
from sampan.testing.local.starting import Starting, cluster

__all__ = ["Cluster", "Starting", "cluster"]
