"""The servers' network: a bridge that has this machine's address, and a namespace on it for each server.

What is there stays as it is, so that a new supervisor does not disturb servers that run. The processes in a namespace
reach pods and kubelets through this machine, whose address among them is their gateway.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from pathlib import Path

from sampan.cluster.errors import ClusterError
from sampan.cluster.servers.plan import BRIDGE, MOST_SERVERS, Plan, Server, namespace_file
from sampan.network import sysctl

CLONE_NEWNET = 0x40000000
FORWARDING = "net.ipv4.ip_forward"


def ensure(plan: Plan) -> None:
    """Makes what is missing. Raises ClusterError with what `ip` said, and OSError."""
    if not plan.servers:
        return
    sysctl.ensure(FORWARDING, "1")
    if not _interface(BRIDGE):
        _ip("link", "add", BRIDGE, "type", "bridge")
        _ip("addr", "add", f"{plan.gateway}/{plan.network.prefixlen}", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
    for server in plan:
        if not namespace_file(server).exists() or not _interface(server.cable):
            _discard(server)
            _make(plan, server)


def remove(plan: Plan) -> None:
    """Takes all of it away, also what an earlier cluster of more servers has left."""
    for number in range(1, MOST_SERVERS + 1):
        _discard(Server(number=number, network=plan.network))
    if _interface(BRIDGE):
        _ip("link", "delete", BRIDGE)


def enter(server: Server) -> None:
    """This process is in the server's network from now on; call it before any thread is started. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    with namespace_file(server).open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            code = ctypes.get_errno()
            raise OSError(code, f"cannot enter {namespace_file(server)}: {os.strerror(code)}")


def _make(plan: Plan, server: Server) -> None:
    name = server.namespace
    _ip("netns", "add", name)
    _ip("link", "add", server.cable, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", server.cable, "master", BRIDGE, "up")
    _ip("-n", name, "link", "set", "lo", "up")
    _ip("-n", name, "addr", "add", f"{server.address}/{plan.network.prefixlen}", "dev", "eth0")
    _ip("-n", name, "link", "set", "eth0", "up")
    _ip("-n", name, "route", "add", "default", "via", plan.gateway)


def _discard(server: Server) -> None:
    """Deleting the interface first: a namespace goes only when its last process has ended."""
    if _interface(server.cable):
        _ip("link", "delete", server.cable)
    if namespace_file(server).exists():
        _ip("netns", "delete", server.namespace)


def _interface(name: str) -> bool:
    return (Path("/sys/class/net") / name).exists()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"`ip {' '.join(words)}` failed: {done.stderr.strip()}; `sampan down` removes what there is")
