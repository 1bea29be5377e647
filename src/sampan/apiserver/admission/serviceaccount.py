"""Pods run as a service account, `default` unless they say otherwise, which must exist.

Its token comes with a projected volume that the kubelet keeps fresh, together with the cluster's CA and the namespace,
at the place where client libraries look for them; so do its image pull secrets.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from sampan.api import accountvolume
from sampan.api.kinds import core_v1
from sampan.apiserver.admission import mountablesecrets
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.auth.node.graph import references
from sampan.apiserver.metadata import generated
from sampan.apiserver.write import CREATE, Write

MIRROR = "kubernetes.io/config.mirror"
DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
ATTEMPTS, PAUSE_SECONDS = 20, 0.05


class ServiceAccount(Plugin):
    """A namespace's first pods may come before its `default` account, which a controller makes: they wait a little."""

    name = "ServiceAccount"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    subresources: ClassVar[frozenset[str]] = frozenset({"", "ephemeralcontainers"})

    def __init__(self, server: Any) -> None:
        super().__init__(server)
        self._volume: Any = None
        self._its_mount: Any = None

    def mutate(self, write: Write) -> Awaitable[None] | None:
        pod = write.new
        if write.operation != CREATE or pod.spec is None or MIRROR in (pod.metadata.annotations or {}):
            return None
        if not pod.spec.serviceAccountName:
            pod.spec.serviceAccountName = pod.spec.serviceAccount = DEFAULT
        account = self._account(write)
        if account is None:
            return self._later(write)
        self._complete(write, account)
        return None

    def validate(self, write: Write) -> None:
        pod = write.new
        if pod.spec is None:
            return
        mirror = MIRROR in (pod.metadata.annotations or {})
        if write.operation == CREATE and mirror:
            refuse(write, mirrored(pod))
        elif write.operation == CREATE or write.subresource:
            self._mountable(write)

    def _mountable(self, write: Write) -> None:
        """Containers that come to a pod later may use no more secrets than those it came with (CVE-2023-2728)."""
        spec = write.new.spec
        name = spec.serviceAccountName
        if not name:
            raise forbid(write, f"no service account specified for pod {write.namespace}/{write.name}")
        account = self._account(write)
        if account is None:
            raise forbid(write, missing(write.namespace, name))
        if mountablesecrets.applies(account):
            check = mountablesecrets.of_ephemeral if write.subresource else mountablesecrets.of_pod
            refuse(write, check(spec, account))

    def _account(self, write: Write) -> Any:
        name = write.new.spec.serviceAccountName
        entry = self.server.cache.resource("", "serviceaccounts").get(write.namespace, name)
        return self.server.decoded(entry) if entry is not None else None

    async def _later(self, write: Write) -> None:
        name = write.new.spec.serviceAccountName
        for _ in range(ATTEMPTS if name == DEFAULT else 1):
            await self.server.cache.fresh()
            account = self._account(write)
            if account is not None:
                self._complete(write, account)
                return
            await self.server.clock.sleep(PAUSE_SECONDS)
        raise forbid(write, missing(write.namespace, name))

    def _complete(self, write: Write, account: Any) -> None:
        spec = write.new.spec
        if not spec.imagePullSecrets and account.imagePullSecrets:
            spec.imagePullSecrets = [core_v1.LocalObjectReference(name=s.name) for s in account.imagePullSecrets]
        wanted = spec.automountServiceAccountToken
        if wanted is None:
            wanted = account.automountServiceAccountToken
        if wanted is not False:
            self._mount(spec)

    def _mount(self, spec: Any) -> None:
        """Give every container the account's volume that does not have something of its own in that place."""
        containers = [*(spec.initContainers or ()), *(spec.containers or ())]
        needing = [
            c for c in containers if not c.volumeMounts or all(m.mountPath != MOUNT_PATH for m in c.volumeMounts)
        ]
        if not needing:
            return
        present = [v.name for v in spec.volumes or () if (v.name or "").startswith(VOLUME_PREFIX)]
        mount = mount_of(present[0]) if present else self._mount_of_ours()
        for container in needing:
            container.volumeMounts = [*(container.volumeMounts or ()), mount]
        if not present:
            spec.volumes = [*(spec.volumes or ()), self._volume]

    def _mount_of_ours(self) -> Any:
        """One name in all pods: those of one template then have one spec, which is judged but once (`by_content`). The
        volume and its mount are the same, too, so they are made once, shared and never changed.
        """
        if self._volume is None:
            name = generated(VOLUME_PREFIX, self.server.rng)
            self._volume = core_v1.Volume(name=name, projected=accountvolume.projected())
            self._its_mount = mount_of(name)
        return self._its_mount


def mount_of(volume: str) -> Any:
    return core_v1.VolumeMount(name=volume, mountPath=MOUNT_PATH, readOnly=True)


def refuse(write: Write, why: str) -> None:
    """Raises Forbidden when there is a reason to."""
    if why:
        raise forbid(write, why)


def missing(namespace: str, name: str) -> str:
    return f'error looking up service account {namespace}/{name}: serviceaccount "{name}" not found'


def mirrored(pod: Any) -> str:
    """What a mirror pod, which a kubelet runs on nobody's behalf, refers to and may not; "" for nothing."""
    if pod.spec.serviceAccountName:
        return "a mirror pod may not reference service accounts"
    if any(plural == "secrets" for plural, _, _ in references(pod)):
        return "a mirror pod may not reference secrets"
    for one in pod.spec.volumes or ():
        sources = one.projected.sources if one.projected is not None else None
        if any(source.serviceAccountToken is not None for source in sources or ()):
            return "a mirror pod may not use ServiceAccountToken volume projections"
    return ""
