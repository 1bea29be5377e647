"""The policies' table in the kernel."""

from __future__ import annotations

from sampan.network import nft
from sampan.network.netfilter import RuleSet
from sampan.network.policy import table
from sampan.network.policy.state import PolicyState


class PacketFilter:
    """Of the network namespace in which its methods are first called."""

    def __init__(self) -> None:
        self._nft = nft.Session()
        self._kernel = RuleSet()
        self._generation = -1

    async def apply(self, text: str) -> None:
        untouched = self._kernel.generation() == self._generation
        await self._nft.apply(text)
        if untouched or text.startswith(table.DROP):
            self._generation = self._kernel.generation()

    def damaged(self, state: PolicyState) -> bool:
        """Whether the table lacks something. Costs one question as long as nobody has changed any rule."""
        generation = self._kernel.generation()
        if generation == self._generation:
            return False
        whole = self._is_whole(state)
        if whole:
            self._generation = generation
        return not whole

    def close(self) -> None:
        self._nft.close()
        self._kernel.close()

    def _is_whole(self, state: PolicyState) -> bool:
        if self._kernel.rule_counts(table.FAMILY, table.NAME) != state.rule_counts():
            return False
        wanted = state.element_counts()
        counts = self._kernel.element_counts(table.FAMILY, table.NAME)
        return all(count == wanted[name] for name, count in counts.items())


async def remove() -> None:
    """Deletes the table; none there is no error."""
    await nft.apply(table.DROP + "\n")
