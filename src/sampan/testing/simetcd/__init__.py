"""etcd on a network, simulated: its answers from an engine in memory, its members, and bad ways to them.

`EtcdStore` runs over it unchanged, in virtual time and from one seed: give it `member=network.member`. What is not
simulated is how members agree (that is etcd's own): all of them answer from one state, as linearizable calls do.
"""

from __future__ import annotations

from sampan.testing.simetcd.answers import Answers, Refused
from sampan.testing.simetcd.link import Link, Process
from sampan.testing.simetcd.network import Host, Network

__all__ = ["Answers", "Host", "Link", "Network", "Process", "Refused"]
