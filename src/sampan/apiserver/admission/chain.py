"""The order of admission plugins, and running those that concern a write.

https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sampan.apiserver.admission import configuration
from sampan.apiserver.admission.always import AlwaysAdmit, AlwaysDeny
from sampan.apiserver.admission.alwayspullimages import AlwaysPullImages
from sampan.apiserver.admission.certificates import CertificateRequester
from sampan.apiserver.admission.certificatesigning import (
    CertificateApproval,
    CertificateSigning,
    CertificateSubjectRestriction,
)
from sampan.apiserver.admission.clustertrustbundleattest import ClusterTrustBundleAttest
from sampan.apiserver.admission.defaultingressclass import DefaultIngressClass
from sampan.apiserver.admission.defaultstorageclass import DefaultStorageClass
from sampan.apiserver.admission.defaulttolerationseconds import DefaultTolerationSeconds
from sampan.apiserver.admission.denyserviceexternalips import DenyServiceExternalIPs
from sampan.apiserver.admission.deviceaccess import DeviceAccess
from sampan.apiserver.admission.eventratelimit import EventRateLimit
from sampan.apiserver.admission.extendedresourcetoleration import ExtendedResourceToleration
from sampan.apiserver.admission.imagepolicywebhook import ImagePolicyWebhook
from sampan.apiserver.admission.limitpodhardantiaffinitytopology import LimitPodHardAntiAffinityTopology
from sampan.apiserver.admission.limitranger import LimitRanger
from sampan.apiserver.admission.namespaceautoprovision import NamespaceAutoProvision, NamespaceExists
from sampan.apiserver.admission.namespacelifecycle import NamespaceLifecycle
from sampan.apiserver.admission.nodedeclaredfeatures import NodeDeclaredFeatureValidator
from sampan.apiserver.admission.noderestriction import NodeRestriction
from sampan.apiserver.admission.ownerreferences import OwnerReferencesPermissionEnforcement
from sampan.apiserver.admission.persistentvolumeclaimresize import PersistentVolumeClaimResize
from sampan.apiserver.admission.plugin import Plugin
from sampan.apiserver.admission.podnodeselector import PodNodeSelector
from sampan.apiserver.admission.podresize import PodResizeValidator
from sampan.apiserver.admission.podsecurity import PodSecurity
from sampan.apiserver.admission.podtolerationrestriction import PodTolerationRestriction
from sampan.apiserver.admission.podtopologylabels import PodTopologyLabels
from sampan.apiserver.admission.priority import Priority
from sampan.apiserver.admission.rbacescalation import RbacEscalation
from sampan.apiserver.admission.resourcequota import ResourceQuota
from sampan.apiserver.admission.runtimeclass import RuntimeClass
from sampan.apiserver.admission.serviceaccount import ServiceAccount
from sampan.apiserver.admission.storageobjectinuseprotection import StorageObjectInUseProtection
from sampan.apiserver.admission.taintnodesbycondition import TaintNodesByCondition
from sampan.apiserver.write import Write

if TYPE_CHECKING:
    from sampan.apiserver.server import ApiServer

PLUGINS: tuple[type[Plugin], ...] = (
    RbacEscalation,
    CertificateRequester,
    DeviceAccess,
    AlwaysAdmit,
    NamespaceAutoProvision,
    NamespaceLifecycle,
    NamespaceExists,
    LimitPodHardAntiAffinityTopology,
    LimitRanger,
    ServiceAccount,
    NodeRestriction,
    TaintNodesByCondition,
    AlwaysPullImages,
    ImagePolicyWebhook,
    PodSecurity,
    PodNodeSelector,
    Priority,
    DefaultTolerationSeconds,
    PodTolerationRestriction,
    EventRateLimit,
    ExtendedResourceToleration,
    DefaultStorageClass,
    StorageObjectInUseProtection,
    OwnerReferencesPermissionEnforcement,
    PersistentVolumeClaimResize,
    RuntimeClass,
    CertificateApproval,
    CertificateSigning,
    ClusterTrustBundleAttest,
    CertificateSubjectRestriction,
    DefaultIngressClass,
    DenyServiceExternalIPs,
    PodTopologyLabels,
    NodeDeclaredFeatureValidator,
    PodResizeValidator,
    ResourceQuota,
    AlwaysDeny,
)
"""As upstream's order (its v1.36 flag help lists them); the first three are ours and cannot be turned off."""

INERT = {
    "JobValidation": "upstream has it behind the feature gate WorkloadWithJob, which is off",
    "PodGroupProtection": "upstream has it behind the feature gate GenericWorkload, which is off",
    "PodGroupWorkloadExists": "upstream has it behind the feature gate GenericWorkload, which is off",
    "MutatingAdmissionPolicy": "policies in CEL come with a later version",
    "MutatingAdmissionWebhook": "webhooks come with a later version",
    "ValidatingAdmissionPolicy": "policies in CEL come with a later version",
    "ValidatingAdmissionWebhook": "webhooks come with a later version",
}
"""Names that upstream has on by default and that do nothing here, and why.

They are accepted on the command line, so that one set of flags serves both.
"""

Method = Callable[[Write], Awaitable[None] | None]
Key = tuple[str, str, str, str]
"""Group, plural and subresource of what is written to, and the operation."""
OURS = frozenset({RbacEscalation.name, CertificateRequester.name, DeviceAccess.name})


class Admission:
    """The enabled plugins. Which of them want to see a kind of write is found once and remembered."""

    def __init__(self, plugins: Sequence[Plugin]) -> None:
        self._plugins = tuple(plugins)
        self._mutating: dict[Key, tuple[Method, ...]] = {}
        self._validating: dict[Key, tuple[Method, ...]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(plugin.name for plugin in self._plugins)

    async def close(self) -> None:
        """The server ends."""
        for plugin in self._plugins:
            await plugin.close()

    def mutate(self, write: Write) -> Awaitable[None] | None:
        """Run the plugins' `mutate` in order."""
        return _run(self._all(self._mutating, "mutate", write), write)

    def validate(self, write: Write) -> Awaitable[None] | None:
        """Run the plugins' `validate` in order."""
        return _run(self._all(self._validating, "validate", write), write)

    def admit(self, write: Write) -> Awaitable[None] | None:
        """Both, where nothing stands between."""
        mutating = self._all(self._mutating, "mutate", write)
        return _run((*mutating, *self._all(self._validating, "validate", write)), write)

    def _all(self, known: dict[Key, tuple[Method, ...]], method: str, write: Write) -> tuple[Method, ...]:
        resource = write.resource
        key = (resource.group, resource.plural, write.subresource, write.operation)
        concerned = known.get(key)
        if concerned is None:
            concerned = known[key] = self._concerned(key, method)
        return concerned

    def _concerned(self, key: Key, method: str) -> tuple[Method, ...]:
        return tuple(
            getattr(plugin, method)
            for plugin in self._plugins
            if getattr(type(plugin), method) is not getattr(Plugin, method) and plugin.handles(*key)
        )


def _run(concerned: tuple[Method, ...], write: Write) -> Awaitable[None] | None:
    """Plugins that answer at once cost no task; from the first that waits on, the rest is awaited."""
    for index, plugin in enumerate(concerned):
        wait = plugin(write)
        if wait is not None:
            return _rest(wait, concerned[index + 1 :], write)
    return None


async def _rest(wait: Awaitable[None], rest: tuple[Method, ...], write: Write) -> None:
    await wait
    for plugin in rest:
        further = plugin(write)
        if further is not None:
            await further


def build(server: ApiServer, enable: Sequence[str], disable: Sequence[str], file: Path | None = None) -> Admission:
    """The plugins on by default, and those named, told what the configuration file says of them. Raises as `check`."""
    settings = configuration.read(file) if file is not None else {}
    _check_names(enable, disable, settings)
    plugins = [
        plugin(server)
        for plugin in PLUGINS
        if plugin.name not in disable and (plugin.on_by_default or plugin.name in enable)
    ]
    for plugin in plugins:
        _tell(plugin, settings.get(plugin.name))
    return Admission(plugins)


def check(enable: Sequence[str], disable: Sequence[str], file: Path | None) -> None:
    """Whether a server could begin with these.

    Raises ValueError for a name nobody knows, one both on and off, and a configuration that is missing or does not fit;
    OSError for a file that cannot be read.
    """
    build(cast("ApiServer", None), enable, disable, file)


def _check_names(enable: Sequence[str], disable: Sequence[str], settings: dict[str, Any]) -> None:
    known = ({plugin.name for plugin in PLUGINS} | INERT.keys()) - OURS
    for name in (*enable, *disable, *settings):
        if name not in known:
            raise ValueError(f'unknown admission plugin "{name}": known are {", ".join(sorted(known))}')
    both = sorted(set(enable) & set(disable))
    if both:
        raise ValueError(f"admission plugins both enabled and disabled: {', '.join(both)}")


def _tell(plugin: Plugin, settings: Any) -> None:
    try:
        if settings is not None:
            plugin.configure(settings)
        plugin.require()
    except ValueError as error:
        raise ValueError(f"admission plugin {plugin.name}: {error}") from None
