"""What somebody else's firewall takes from the pods' network, or brings after it was made, is mended.

`systemctl restart nftables` begins with `flush ruleset`, which takes the masquerading; Docker, started later, has
iptables drop what is forwarded. The kernel counts transactions on its rules, so as long as nobody writes any this costs
one question.
"""

from __future__ import annotations

from sampan.network import cni, forwarding, nft
from sampan.network.netfilter import Chain, RuleSet

FORWARD = ("filter", "FORWARD", "forward")


class Upkeep:
    """Of one node's network, in the network namespace that its first question is asked in."""

    def __init__(self, network: cni.PodNetwork) -> None:
        self._network = network
        self._kernel = RuleSet()
        self._generation: int | None = None

    async def mend(self) -> list[str]:
        """What was done, for a person. Raises OSError or Unusable."""
        if self._kernel.generation() == self._generation:
            return []
        remarks = []
        if not self._masquerades():
            await nft.apply(cni.masquerade_text(self._network))
            remarks.append(f"somebody has taken the table {cni.TABLE} away: made anew")
        for cidr in cni.split(self._network.cluster_cidr):
            if self._drops("ip6" if cidr.version == 6 else "ip"):
                remarks += await forwarding.make_room(str(cidr))
        self._generation = self._kernel.generation()
        return remarks

    def close(self) -> None:
        self._kernel.close()

    def _masquerades(self) -> bool:
        families = [cni.FAMILIES[pods.version][0] for pods in self._network.ranges]
        return all(self._kernel.rule_counts(family, cni.TABLE)["postrouting"] == 1 for family in families)

    def _drops(self, family: str) -> bool:
        return Chain(family, *FORWARD, True) in self._kernel.chains()
