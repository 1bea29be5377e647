"""`sampan join`: from an address and a token to a node of a cluster, each step told as it is done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.api.errors import ApiError, Forbidden, NotFound, Unauthorized
from sampan.api.kinds import core_v1
from sampan.client import kubeconfig
from sampan.client.bootstrap import NAMESPACE, Token
from sampan.client.config import ClientConfig
from sampan.client.errors import ClientError
from sampan.client.rest import RestClient
from sampan.cluster import discovery, nodecertificates, options, preflight, supervise
from sampan.cluster.bringup import Bringup, Steps
from sampan.cluster.certificates import NETWORK_PARTS
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import write_private
from sampan.cluster.supervision.processes import Records
from sampan.cluster.tokens import NODE_CONFIG, PREFERRED, SHARED

APPROVAL_SECONDS = 60.0


@dataclass
class Joining(Bringup):
    """One run of `join`. A machine that has joined already keeps who it is, and is only started again, by the address
    and other options of its own that are given now."""

    server: str = ""
    token: Token | None = None
    pins: Collection[str] = ()

    async def machine(self) -> str:
        running = Records(self.options.layout.run).load(supervise.SUPERVISOR)
        preflight.check_node(self.options, running=bool(running and running.alive))
        return "root, programs and ports are fine"

    async def cluster(self) -> str:
        """Finds the cluster, and comes to trust it."""
        layout = self.options.layout
        if self._has_joined():
            return f"this machine has joined {self.options.server} before"
        if (layout.pki / "ca.key").exists():
            raise ClusterError(
                f"{layout.data_dir} holds a cluster of its own: take it down first (`sampan down`), or name another "
                "--data-dir"
            )
        found = await discovery.discover(self.server, self._token(), self.pins)
        write_private(layout.pki / "ca.crt", found.authorities)
        self.options = msgspec.structs.replace(self.options, api_server=found.server)
        return f"{found.server}, vouched for by token {self._token().id}"

    async def identity(self) -> str:
        """The node's client certificate, asked for with the token."""
        if self._has_joined():
            return await self._known()
        authorities = (self.options.layout.pki / "ca.crt").read_bytes()
        config = ClientConfig(server=self.options.server, ca=authorities, token=str(self._token()))
        async with RestClient(config, self.clock) as client:
            try:
                await self._ask(client)
            except Unauthorized:
                raise ClusterError(f"token {self._token().id} is refused: {discovery.ADVICE}") from None
            except Forbidden as error:
                raise ClusterError(f"the token may not join machines ({error}): {discovery.ADVICE}") from None
            except (ApiError, ClientError) as error:
                raise ClusterError(str(error)) from None
        return await self._known()

    async def _known(self) -> str:
        """Of who is a node: what its parts are known by. Raises ClusterError."""
        layout, name = self.options.layout, NETWORK_PARTS.file
        nodecertificates.write_kubeconfigs(layout, self.options.server)
        options.save(self.options)
        if not (layout.pki / f"{name}.crt").exists():
            what = nodecertificates.wanted(self.options)[name]
            config = kubeconfig.load(layout.kubeconfigs / "kubelet.kubeconfig")
            async with RestClient(config, self.clock) as client:
                try:
                    await nodecertificates.obtain(client, self.clock, layout, name, what, patience=APPROVAL_SECONDS)
                except (ApiError, ClientError) as error:
                    raise ClusterError(str(error)) from None
            nodecertificates.write_kubeconfigs(layout, self.options.server)
        return f"system:node:{self.options.node_name}"

    async def _ask(self, client: RestClient) -> None:
        shared = (await client.get(core_v1.ConfigMap, NODE_CONFIG, NAMESPACE)).data or {}
        wanted = SHARED + tuple(name for name in PREFERRED if not getattr(self.options, name))
        known: dict[str, Any] = {name: shared[name] for name in wanted if name in shared}
        self.options = msgspec.structs.replace(self.options, **known)
        preflight.check_programs(self.options)
        preflight.check_ways(self.options)
        preflight.check_neighbourhood(self.options)
        name = self.options.node_name
        try:
            await client.get(core_v1.Node, name)
        except NotFound:
            pass
        else:
            raise ClusterError(
                f"there is a node {name} in that cluster: give this one another --node-name, or delete that one first"
            )
        what = nodecertificates.wanted(self.options)["kubelet"]
        await nodecertificates.obtain(
            client, self.clock, self.options.layout, "kubelet", what, patience=APPROVAL_SECONDS
        )

    async def connect(self) -> str:
        config = kubeconfig.load(self.options.layout.kubeconfigs / "kubelet.kubeconfig")
        self._client = await self._stack.enter_async_context(RestClient(config, self.clock))
        return ""

    def _has_joined(self) -> bool:
        return self.options.joined and (self.options.layout.pki / "kubelet.crt").exists()

    def _token(self) -> Token:
        if self.token is None:
            raise ClusterError("a machine joins with a token: name it with --token-file, or --token")
        return self.token

    def steps(self) -> Steps:
        return (
            ("machine", self.machine),
            ("cluster", self.cluster),
            ("identity", self.identity),
            ("processes", self.processes),
            ("container runtime", self.runtime),
            ("API server", self.connect),
            ("node", self.node),
        )
