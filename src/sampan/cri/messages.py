"""The generated CRI messages: `pb.PodSandboxConfig(...)`. Made at build time, so a type checker sees `Any`."""

from __future__ import annotations

from typing import Any

from sampan.cri import runtime_pb2

pb: Any = runtime_pb2
