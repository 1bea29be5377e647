"""The seam between the controller and what balances: small on purpose, so that a cloud's can be written in a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class View:
    """What a provider may look at. All are read-only.

    `services` are those it is to answer, oldest first; `nodes` those that may balance; `serving` maps a service's key
    (`namespace/name`) to the names of the nodes that have a ready endpoint of it.
    """

    services: Sequence[Any]
    nodes: Sequence[Any]
    serving: Mapping[str, frozenset[str]] = field(default_factory=dict)


class LoadBalancers(Protocol):
    """Answers all services at once, for they compete for ports and addresses.

    `load_balancer_class` is the spec.loadBalancerClass it takes besides none. `answer` gives, by service key, the IP
    addresses at which each is reached; a service without any waits. It may keep state, and raises ApiError,
    ClientError or OSError for what is worth trying again.
    """

    load_balancer_class: str

    async def answer(self, view: View) -> Mapping[str, Sequence[str]]: ...
