"""Between two parts of a process: the kubelet asks to admit a pod to the network, the keeper of the policies does.

Each part is made anew when it fails, so neither can hold the other: they meet here. A kubelet that runs without the
network's part (`sampan kubelet`) admits every pod at once; whoever enforces policies there learns of it from the API.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

Admission = Callable[[Any, Sequence[str]], Awaitable[None]]


class Gate:
    """`keeper` is the latest to have been made; None where nobody guards."""

    def __init__(self) -> None:
        self.keeper: Admission | None = None

    async def admit(self, pod: Any, addresses: Sequence[str]) -> None:
        """Raises OSError when the keeper ends before it has answered."""
        if self.keeper is not None:
            await self.keeper(pod, addresses)


GATE = Gate()
"""This process's."""
