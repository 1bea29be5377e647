"""The servers' network: a bridge that has this machine's address, and a namespace on it for each server.

The processes in a namespace reach pods and kubelets through this machine, whose address among them is their gateway.
"""

from __future__ import annotations

from sampan.cluster import switch
from sampan.cluster.servers.plan import BRIDGE, MOST_SERVERS, Plan, Server
from sampan.cluster.switch import Outlet, Switch


def ensure(plan: Plan) -> None:
    """Makes what is missing. Raises ClusterError with what `ip` said, and OSError."""
    if plan.servers:
        _switch(plan).ensure(map(_outlet, plan))


def remove(plan: Plan) -> None:
    """Takes all of it away, also what an earlier cluster of more servers has left."""
    numbers = range(1, MOST_SERVERS + 1)
    _switch(plan).remove(_outlet(Server(number=number, network=plan.network)) for number in numbers)


def enter(server: Server) -> None:
    """This process is in the server's network from now on; call it before any thread is started. Raises OSError."""
    switch.enter(_outlet(server))


def _switch(plan: Plan) -> Switch:
    return Switch(bridge=BRIDGE, network=plan.network)


def _outlet(server: Server) -> Outlet:
    return Outlet(namespace=server.namespace, cable=server.cable, address=server.address)
