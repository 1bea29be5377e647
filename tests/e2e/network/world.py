"""A node, its pods and a machine outside, as network namespaces: real packets, nothing of this machine's own touched.

A socket belongs to the namespace it was made in, whatever the thread does later. So servers are threads of the test
and a client is a socket opened `inside` a namespace. Pods are attached by the real CNI plugins from the configuration
that `sampan.network.cni` renders.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import ctypes
import json
import os
import select
import socket
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sampan.network import cni

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
IP_MTU_DISCOVER, NEVER_BROKEN = 10, 2
OUTSIDE, NODE = "198.51.100.2", "198.51.100.1"
CLUSTER, PODS, SERVICES = "10.244.0.0/16", "10.244.7.0/24", "10.96.0.0/16"


class Answer(NamedTuple):
    """Who answered, and as whom the client appeared there."""

    server: str
    client: str


def inside(namespace: str) -> contextlib.AbstractContextManager[None]:
    """This thread is in the namespace of that name meanwhile."""
    return inside_file(Path(f"/run/netns/{namespace}"))


@contextlib.contextmanager
def inside_file(file: Path) -> Iterator[None]:
    """This thread is in that namespace meanwhile."""
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as home, file.open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)


def datagrams(namespace: Path, address: str) -> socket.socket:
    """A UDP socket there, on a port of its own; what it sends is never broken into pieces (IPv4)."""
    with inside_file(namespace):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, NEVER_BROKEN)
    made.settimeout(10)
    made.bind((address, 0))
    return made


class HostPort(NamedTuple):
    """A port of the node that leads to one of the pod."""

    port: int
    inner: int
    protocol: str = "tcp"
    address: str = ""


class World:
    def __init__(self, folder: Path, pods: str = PODS, cluster: str = CLUSTER) -> None:
        self._prefix = f"sampan-test-{os.getpid()}-{os.urandom(2).hex()}"
        self._namespaces: list[str] = []
        self._servers: list[socket.socket] = []
        self.addresses: dict[str, list[str]] = {}
        """Of each pod's namespace, one of each family."""
        self._asked: dict[str, dict[str, Any]] = {}
        self.node, self.outside = self._namespace("node"), self._namespace("outside")
        self.pod_network = cni.PodNetwork(pods, cluster, SERVICES, folder / "net.d", folder / "leases")
        self.cache = folder / "results"
        self._cable()

    def close(self) -> None:
        for server in self._servers:
            _stop(server)
        for name in self._namespaces:
            _ip("netns", "delete", name)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Awaits `work` on the node."""
        with inside(self.node):
            return asyncio.run(work)

    def everything(self) -> dict[str, str]:
        """What the node's kernel holds that tear-down must not leave behind."""
        links = "\n".join(line.split(":")[1] for line in self.command("ip", "-o", "link").splitlines())
        rules = self.command("nft", "list", "ruleset")
        return {"links": links, "routes": self.command("ip", "route"), "rules": rules}

    def command(self, *words: str) -> str:
        """A program's output, on the node."""
        with inside(self.node):
            return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    def pod(self, name: str, host_ports: Sequence[HostPort] = (), bits: int = 0) -> tuple[str, str]:
        """A new pod: its namespace and address. `bits`: what it may send and get in a second, 0 for all; told to the
        plugin as containerd does, with the largest burst there is."""
        namespace = self._namespace(name)
        mapped = [
            {"hostPort": one.port, "containerPort": one.inner, "protocol": one.protocol, "hostIP": one.address}
            for one in host_ports
        ]
        limit = {"Rate": bits, "Burst": (1 << 32) - 1}
        limits = {f"{way}{name}": value for way in ("ingress", "egress") for name, value in limit.items()}
        self._asked[namespace] = {"portMappings": mapped} | ({"bandwidth": limits} if bits else {})
        result = self._plugins("ADD", namespace)
        self.addresses[namespace] = [each["address"].partition("/")[0] for each in result["ips"]]
        return namespace, self.addresses[namespace][0]

    def remove_pod(self, namespace: str) -> None:
        self._plugins("DEL", namespace)

    def serve(
        self, namespace: str, port: int, name: str, *, protocol: str = "tcp", address: str = "0.0.0.0"
    ) -> Callable[[], None]:
        """Answers everybody with `name` and the client's address; returns what ends it in good order."""
        with inside(namespace):
            if protocol == "tcp":
                server = socket.create_server((address, port), family=_family(address), backlog=512)
            else:
                server = socket.socket(_family(address), socket.SOCK_DGRAM)
                server.bind((address, port))
        self.keep(server)
        work = _serve_tcp if protocol == "tcp" else _serve_udp
        threading.Thread(target=work, args=(server, name), daemon=True).start()
        return lambda: _finish(server)

    def keep(self, server: socket.socket) -> None:
        """Ended with the world."""
        self._servers.append(server)

    def ask(
        self,
        namespace: str,
        address: str,
        port: int,
        *,
        protocol: str = "tcp",
        source_port: int = 0,
        patience: float = 2,
    ) -> Answer:
        """Connects from that namespace and returns the answer; raises OSError as the client meets it."""
        with inside(namespace), _client(protocol, address) as client:
            if source_port:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind(("", source_port))
            client.settimeout(patience)
            client.connect((address, port))
            client.send(b"?")
            return Answer(*client.recv(200).decode().split())

    def askers(self, namespace: str, address: str, port: int, count: int, **how: Any) -> list[str]:
        """The servers that answered `count` questions."""
        return [self.ask(namespace, address, port, **how).server for _ in range(count)]

    def _namespace(self, name: str) -> str:
        full = f"{self._prefix}-{name}"
        _ip("netns", "add", full)
        self._namespaces.append(full)
        _ip("-n", full, "link", "set", "lo", "up")
        return full

    def _cable(self) -> None:
        _ip("-n", self.node, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.outside)
        for namespace, address in ((self.node, NODE), (self.outside, OUTSIDE)):
            _ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth0")
            _ip("-n", namespace, "link", "set", "eth0", "up")

    def _plugins(self, verb: str, namespace: str) -> dict[str, Any]:
        """Runs the plugins of the written configuration in order, and remembers their result, as a runtime does."""
        text = (self.pod_network.configuration / cni.FILE_NAME).read_bytes()
        listing = json.loads(text)
        plugins = listing["plugins"] if verb == "ADD" else reversed(listing["plugins"])
        result: dict[str, Any] = {}
        for plugin in plugins:
            config = plugin | {"name": listing["name"], "cniVersion": listing["cniVersion"]}
            if "capabilities" in plugin:
                asked = self._asked[namespace]
                config["runtimeConfig"] = {name: asked[name] for name in plugin["capabilities"] if name in asked}
            result = self._plugin(verb, namespace, config | ({"prevResult": result} if result else {})) or result
        self._remember(verb, namespace, text, result)
        return result

    def _remember(self, verb: str, namespace: str, listing: bytes, result: dict[str, Any]) -> None:
        """In libcni's form."""
        file = self.cache / f"sampan-{namespace}-eth0"
        if verb == "DEL":
            file.unlink()
            return
        self.cache.mkdir(exist_ok=True)
        known = {"kind": "cniCacheV1", "containerId": namespace, "ifName": "eth0", "networkName": "sampan"}
        more = {
            "config": base64.b64encode(listing).decode(),
            "capabilityArgs": self._asked[namespace],
            "result": result,
        }
        file.write_text(json.dumps(known | more))

    def _plugin(self, verb: str, namespace: str, config: dict[str, Any]) -> dict[str, Any]:
        environment = {
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": namespace,
            "CNI_NETNS": f"/run/netns/{namespace}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(cni.PLUGIN_FOLDER),
            "PATH": os.environ["PATH"],
        }
        with inside(self.node):
            done = subprocess.run(
                [cni.PLUGIN_FOLDER / config["type"]],
                input=json.dumps(config), text=True, capture_output=True, env=environment,
            )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{config['type']} {verb}: {done.stdout} {done.stderr}")
        return json.loads(done.stdout) if done.stdout else {}


def _finish(server: socket.socket) -> None:
    """Ends it as a server ends that is asked to: not before those who were connected already have their answer."""
    while select.select([server], [], [], 0.2)[0]:
        pass
    _stop(server)


def _stop(server: socket.socket) -> None:
    """Ends the thread that waits in it too, which closing alone does not."""
    with contextlib.suppress(OSError):
        server.shutdown(socket.SHUT_RDWR)
    server.close()


def _client(protocol: str, address: str) -> socket.socket:
    return socket.socket(_family(address), socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _serve_tcp(server: socket.socket, name: str) -> None:
    while True:
        try:
            connection, client = server.accept()
        except OSError:
            return
        with connection:
            connection.recv(10)
            connection.sendall(f"{name} {client[0]}".encode())


def _serve_udp(server: socket.socket, name: str) -> None:
    while True:
        try:
            question, client = server.recvfrom(100)
            if not question:
                return
            server.sendto(f"{name} {client[0]}".encode(), client)
        except OSError:
            return


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True)
