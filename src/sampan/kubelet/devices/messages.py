"""The generated messages of device plugins and of the pod-resources service; loaded when the first of them is needed.

mypy cannot see into generated modules, hence the names here.
"""

from __future__ import annotations

from typing import Any

from sampan.kubelet.devices import deviceplugin_pb2, podresources_pb2

pb: Any = deviceplugin_pb2
podresources_pb: Any = podresources_pb2
