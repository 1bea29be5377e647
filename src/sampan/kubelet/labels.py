"""The labels and annotations on sandboxes and containers: the kubelet's memory inside the runtime.

What must survive a kubelet restart stands here and nowhere else. The names are upstream's (pkg/kubelet/types), so
`crictl` and other tools find what they look for; those of sampan.dev are ours.
"""

from __future__ import annotations

POD_NAME = "io.kubernetes.pod.name"
POD_NAMESPACE = "io.kubernetes.pod.namespace"
POD_UID = "io.kubernetes.pod.uid"
CONTAINER_NAME = "io.kubernetes.container.name"
CONTAINER_HASH = "io.kubernetes.container.hash"
RESTART_COUNT = "io.kubernetes.container.restartCount"
TERMINATION_PATH = "io.kubernetes.container.terminationMessagePath"
TERMINATION_POLICY = "io.kubernetes.container.terminationMessagePolicy"
TERMINATION_FILE = "sampan.dev/termination-file"
GRACE_PERIOD = "io.kubernetes.pod.terminationGracePeriod"
STOP_SIGNAL = "sampan.dev/stop-signal"
"""The signal that ends it; absent for the image's."""
RESTART_DELAY = "sampan.dev/restart-delay"
"""Seconds of back-off this instance waited for before its start; absent on a first start."""
RESOURCES = "sampan.dev/resources"
"""The cpu and memory this instance was made with, as JSON."""
ROUND = "sampan.dev/round"
"""How often all containers of the pod had been restarted together when this instance was made; absent for never."""
