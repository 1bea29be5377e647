"""Pods run as a service account, `default` unless they say otherwise, which must exist.

Its token comes with a projected volume that the kubelet keeps fresh, together with the cluster's CA and the namespace,
at the place where client libraries look for them; so do its image pull secrets.
https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#serviceaccount-admission-controller
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar

from sampan.api.kinds import core_v1
from sampan.apiserver.admission.plugin import Plugin, forbid
from sampan.apiserver.metadata import generated
from sampan.apiserver.write import Write

MIRROR = "kubernetes.io/config.mirror"
DEFAULT = "default"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
VOLUME_PREFIX = "kube-api-access-"
TOKEN_SECONDS = 3607
"""An hour and a little: by the seven, tokens that were asked for on a pod's behalf are told from others."""
ONLY_MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"
ATTEMPTS, PAUSE_SECONDS = 20, 0.05


class ServiceAccount(Plugin):
    """A namespace's first pods may come before its `default` account, which a controller makes: they wait a little."""

    name = "ServiceAccount"
    resources: ClassVar[frozenset[tuple[str, str]]] = frozenset({("", "pods")})
    operations: ClassVar[frozenset[str]] = frozenset({"CREATE"})

    def mutate(self, write: Write) -> Awaitable[None] | None:
        pod = write.new
        if pod.spec is None or MIRROR in (pod.metadata.annotations or {}):
            return None
        if not pod.spec.serviceAccountName:
            pod.spec.serviceAccountName = pod.spec.serviceAccount = DEFAULT
        account = self._account(write)
        if account is None:
            return self._later(write)
        self._complete(write, account)
        return None

    def validate(self, write: Write) -> None:
        spec = write.new.spec
        if spec is not None and MIRROR in (write.new.metadata.annotations or {}) and spec.serviceAccountName:
            raise forbid(write, "a mirror pod may not reference service accounts")

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
        why = f'error looking up service account {write.namespace}/{name}: serviceaccount "{name}" not found'
        raise forbid(write, why)

    def _complete(self, write: Write, account: Any) -> None:
        spec = write.new.spec
        if (account.metadata.annotations or {}).get(ONLY_MOUNTABLE) == "true":
            self._only_mountable(write, account)
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
        needing = [c for c in containers if all(m.mountPath != MOUNT_PATH for m in c.volumeMounts or ())]
        if not needing:
            return
        present = [v.name for v in spec.volumes or () if (v.name or "").startswith(VOLUME_PREFIX)]
        name = present[0] if present else generated(VOLUME_PREFIX, self.server.rng)
        for container in needing:
            mount = core_v1.VolumeMount(name=name, mountPath=MOUNT_PATH, readOnly=True)
            container.volumeMounts = [*(container.volumeMounts or ()), mount]
        if not present:
            spec.volumes = [*(spec.volumes or ()), volume(name)]

    def _only_mountable(self, write: Write, account: Any) -> None:
        """Pods of such an account may use no secrets but those it names."""
        allowed = {secret.name for secret in account.secrets or ()}
        pull = {secret.name for secret in account.imagePullSecrets or ()}
        spec, who = write.new.spec, f'service account "{account.metadata.name}"'
        for one in spec.volumes or ():
            if one.secret is not None and one.secret.secretName not in allowed:
                name = one.secret.secretName
                raise forbid(
                    write,
                    f'volume with secret.secretName="{name}" is not allowed because {who} does not '
                    "reference that secret",
                )
        for container in (*(spec.initContainers or ()), *(spec.containers or ())):
            for name in secrets_of(container):
                if name not in allowed:
                    raise forbid(
                        write,
                        f'container {container.name} with secret "{name}" is not allowed because {who} '
                        "does not reference that secret",
                    )
        for one in spec.imagePullSecrets or ():
            if one.name not in pull:
                raise forbid(
                    write,
                    f'imagePullSecrets="{one.name}" is not allowed because {who} does not reference '
                    "that imagePullSecret",
                )


def secrets_of(container: Any) -> list[str]:
    """Secrets a container takes its environment from, one by one or whole (CVE-2024-3177)."""
    keys = [v.valueFrom.secretKeyRef for v in container.env or () if v.valueFrom is not None]
    whole = [source.secretRef for source in container.envFrom or ()]
    return [reference.name or "" for reference in (*keys, *whole) if reference is not None]


def volume(name: str) -> Any:
    """Token, CA and namespace in one folder."""
    token = core_v1.ServiceAccountTokenProjection(path="token", expirationSeconds=TOKEN_SECONDS)
    ca = core_v1.ConfigMapProjection(name="kube-root-ca.crt", items=[core_v1.KeyToPath(key="ca.crt", path="ca.crt")])
    field = core_v1.ObjectFieldSelector(apiVersion="v1", fieldPath="metadata.namespace")
    place = core_v1.DownwardAPIProjection(items=[core_v1.DownwardAPIVolumeFile(path="namespace", fieldRef=field)])
    sources = [
        core_v1.VolumeProjection(serviceAccountToken=token),
        core_v1.VolumeProjection(configMap=ca),
        core_v1.VolumeProjection(downwardAPI=place),
    ]
    return core_v1.Volume(name=name, projected=core_v1.ProjectedVolumeSource(sources=sources, defaultMode=0o644))
