"""What somebody else's firewall takes from the pods' network, or brings after it was made, is mended.

`systemctl restart nftables` begins with `flush ruleset`, which takes the masquerading and the rules for host ports;
Docker, started later, has iptables drop what is forwarded. The kernel counts transactions on its rules, so as long as
nobody writes any this costs one question.
"""

from __future__ import annotations

from pathlib import Path

from sampan.network import cni, forwarding, nft
from sampan.network.hostports import CACHE, HostPorts
from sampan.network.netfilter import Chain, RuleSet

FORWARD = ("filter", "FORWARD", "forward")


class Upkeep:
    """Of one node's network, in the network namespace its first question is asked in; `cache` as of `HostPorts`."""

    def __init__(self, network: cni.PodNetwork, cache: Path = CACHE) -> None:
        self._network = network
        self._kernel = RuleSet()
        self._host_ports = HostPorts(network.ranges, cni.PLUGIN_FOLDER, self._kernel, cache)
        self._generation: int | None = None

    async def mend(self) -> list[str]:
        """What was done, for a person. Raises OSError or Unusable."""
        generation = self._kernel.generation()
        if generation == self._generation and not self._host_ports.unsure:
            return []
        remarks = []
        if not self._masquerades():
            await nft.apply(cni.masquerade_text(self._network))
            remarks.append(f"somebody has taken the table {cni.TABLE} away: made anew")
        for cidr in cni.split(self._network.cluster_cidr):
            if self._drops("ip6" if cidr.version == 6 else "ip"):
                remarks += await forwarding.make_room(str(cidr))
        remarks += await self._host_ports.mend()
        # As it was at the beginning: what somebody wrote meanwhile is looked at the next time.
        self._generation = generation
        return remarks

    def close(self) -> None:
        self._kernel.close()

    def _masquerades(self) -> bool:
        families = [cni.FAMILIES[pods.version][0] for pods in self._network.ranges]
        return all(self._kernel.rule_counts(family, cni.TABLE)["postrouting"] == 1 for family in families)

    def _drops(self, family: str) -> bool:
        return Chain(family, *FORWARD, True) in self._kernel.chains()
