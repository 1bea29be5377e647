"""What the container runtime says it can do beyond the least, as it was last asked (CRI, StatusResponse).

A runtime that says nothing, as containerd 1 does, is held to be able to do none of it.
"""

from __future__ import annotations

from typing import Any

from sampan.api.kinds import core_v1

CONTAINERD = "containerd"


class RuntimeFeatures:
    """Each question is answered for a runtime handler ("" is the default one)."""

    def __init__(self) -> None:
        self.name = CONTAINERD
        """What the runtime calls itself: container ids begin with it."""
        self._handlers: dict[str, Any] = {}
        self._groups_policy = False

    def met(self, version: Any) -> None:
        """`version` is a VersionResponse."""
        self.name = version.runtime_name or CONTAINERD

    def learn(self, status: Any) -> None:
        """`status` is a StatusResponse."""
        self._handlers = {handler.name: handler.features for handler in status.runtime_handlers}
        self._groups_policy = status.features.supplemental_groups_policy

    def recursive_read_only(self, handler: str = "") -> bool:
        known = self._handlers.get(handler)
        return known is not None and bool(known.recursive_read_only_mounts)

    def user_namespaces(self, handler: str = "") -> bool:
        known = self._handlers.get(handler)
        return known is not None and bool(known.user_namespaces)

    def supplemental_groups_policy(self) -> bool:
        return self._groups_policy

    def of_node(self) -> tuple[list[Any], Any]:
        """What a Node's status says of it: `runtimeHandlers` and `features`."""
        handlers = [
            core_v1.NodeRuntimeHandler(
                name=name,
                features=core_v1.NodeRuntimeHandlerFeatures(
                    recursiveReadOnlyMounts=known.recursive_read_only_mounts, userNamespaces=known.user_namespaces
                ),
            )
            for name, known in sorted(self._handlers.items())
        ]
        return handlers, core_v1.NodeFeatures(supplementalGroupsPolicy=self._groups_policy)
