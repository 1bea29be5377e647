"""Bootstrap tokens, and what a joining machine may read: where the cluster is, and how its networks are set up.

`publish` opens one thing to everybody: reading the ConfigMap `kube-public/cluster-info`, which holds no secret. Nothing
is open before the first token is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from sampan.aio.clock import Clock, timestamp
from sampan.api.errors import AlreadyExists, NotFound
from sampan.api.kinds import core_v1, meta_v1, rbac_v1
from sampan.client import bootstrap
from sampan.client.bootstrap import Token
from sampan.client.interface import Client
from sampan.cluster.discovery import kubeconfig_for
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options

NODE_CONFIG = "sampan-node-config"
SHARED = ("service_cidr", "cluster_cidr", "cluster_domain", "pod_network")
"""The options that a joining machine takes from its cluster."""
PREFERRED = ("bgp_as", "bgp_peers", "no_masquerade", "proxy_mode")
"""Those that it takes where it was told nothing else."""
SERVING_AUTHORITIES = "kubelet-ca.crt"
"""Beside them: who signs kubelets' serving certificates."""
RBAC = "rbac.authorization.k8s.io"
ANONYMOUS = rbac_v1.Subject(apiGroup=RBAC, kind="User", name="system:anonymous")
JOINING = rbac_v1.Subject(apiGroup=RBAC, kind="Group", name=bootstrap.JOINING_GROUP)
NODES = rbac_v1.Subject(apiGroup=RBAC, kind="Group", name="system:nodes")


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What may be shown of a token: all but its secret. `end` in seconds since the epoch, None: never."""

    id: str
    end: float | None
    usages: tuple[str, ...]
    description: str


async def create(client: Client, clock: Clock, token: Token, *, ttl: float | None, description: str) -> None:
    """`ttl` in seconds; None: a token without an end. Raises ClusterError when there is one of that id."""
    data = {
        "token-id": token.id,
        "token-secret": token.secret,
        "usage-bootstrap-authentication": "true",
        "usage-bootstrap-signing": "true",
        "auth-extra-groups": bootstrap.JOINING_GROUP,
        **({"expiration": timestamp(clock.now() + ttl)} if ttl is not None else {}),
        **({"description": description} if description else {}),
    }
    metadata = meta_v1.ObjectMeta(name=bootstrap.NAME_PREFIX + token.id, namespace=bootstrap.NAMESPACE)
    try:
        await client.create(core_v1.Secret(metadata=metadata, type=bootstrap.TYPE, stringData=data))
    except AlreadyExists:
        raise ClusterError(
            f"there is a token {token.id} already: `sampan token delete {token.id}` removes it"
        ) from None


async def listed(client: Client) -> list[Listed]:
    found = await client.list(core_v1.Secret, bootstrap.NAMESPACE, fields=f"type={bootstrap.TYPE}")
    return [_listed(secret) for secret in found.items]


async def delete(client: Client, identifier: str) -> None:
    """Raises ClusterError when there is none."""
    try:
        await client.delete(core_v1.Secret, bootstrap.NAME_PREFIX + identifier, bootstrap.NAMESPACE)
    except NotFound:
        raise ClusterError(f"there is no token {identifier}: `sampan token list` shows them") from None


def _listed(secret: Any) -> Listed:
    values = bootstrap.fields(secret)
    try:
        end = bootstrap.expiration(values)
    except ValueError:
        end = 0.0
    prefix = "usage-bootstrap-"
    usages = tuple(sorted(n.removeprefix(prefix) for n, v in values.items() if n.startswith(prefix) and v == "true"))
    return Listed(id=values.get("token-id", "?"), end=end, usages=usages, description=values.get("description", ""))


async def publish(client: Client, options: Options) -> None:
    """Makes what joining machines read be as this cluster is now; the signatures in it are the signer's to keep."""
    info = {bootstrap.KUBECONFIG: kubeconfig_for(options.public_server, (options.layout.pki / "ca.crt").read_bytes())}
    await _config_map(client, bootstrap.INFO_NAMESPACE, bootstrap.INFO_NAME, info)
    shared = {name: str(getattr(options, name)) for name in (*SHARED, *PREFERRED)}
    shared[SERVING_AUTHORITIES] = (options.layout.pki / "kubelet-ca.crt").read_text()
    await _config_map(client, bootstrap.NAMESPACE, NODE_CONFIG, shared)
    for namespace, name, subjects in (
        (bootstrap.INFO_NAMESPACE, bootstrap.INFO_NAME, [ANONYMOUS]),
        (bootstrap.NAMESPACE, NODE_CONFIG, [JOINING, NODES]),
        (bootstrap.NAMESPACE, "kube-root-ca.crt", [NODES]),
    ):
        await _readable(client, namespace, name, subjects)


async def publish_again(client: Client, options: Options) -> None:
    """The same where it has been done before: the authorities may have changed."""
    try:
        await client.get(core_v1.ConfigMap, bootstrap.INFO_NAME, bootstrap.INFO_NAMESPACE)
    except NotFound:
        return
    await publish(client, options)


async def _config_map(client: Client, namespace: str, name: str, data: dict[str, str]) -> None:
    try:
        await client.create(core_v1.ConfigMap(metadata=meta_v1.ObjectMeta(name=name, namespace=namespace), data=data))
    except AlreadyExists:
        await client.patch(core_v1.ConfigMap, name, namespace, {"data": data})


async def _readable(client: Client, namespace: str, name: str, subjects: Sequence[Any]) -> None:
    """Lets `subjects` get one ConfigMap."""
    metadata = meta_v1.ObjectMeta(name=f"sampan:{name}", namespace=namespace)
    rule = rbac_v1.PolicyRule(apiGroups=[""], resources=["configmaps"], resourceNames=[name], verbs=["get"])
    reference = rbac_v1.RoleRef(apiGroup=RBAC, kind="Role", name=metadata.name)
    for obj in (
        rbac_v1.Role(metadata=metadata, rules=[rule]),
        rbac_v1.RoleBinding(metadata=metadata, subjects=list(subjects), roleRef=reference),
    ):
        try:
            await client.create(obj)
        except AlreadyExists:
            current = await client.get(type(obj), metadata.name, namespace)
            kept = msgspec.structs.replace(obj, metadata=current.metadata)
            if kept != current:
                await client.update(kept)
