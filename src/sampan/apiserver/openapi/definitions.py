"""The schema's definitions as OpenAPI shows them.

The schema comes from a JSON-schema rendering of upstream's OpenAPI that allows null everywhere and fixes kinds to
enums; both are undone here. v3 also publishes defaults: the zero value of what Go holds by value and always writes,
and the few defaults that are part of the type. Which those are the schema does not say, so they stand here as tables.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import msgspec

from sampan.api import schema

REF = schema.REF
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"
ZERO: dict[str, Any] = {"string": "", "integer": 0, "boolean": False}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Objects that are held by value, by the name of the field...
BY_VALUE = _words(
    """
    metadata spec status preferredVersion names acceptedNames userInfo roleRef conditions schedulingPolicy devices
    pool updateStrategy strategy preference podAffinityTerm taint source target current metric scaleTargetRef
    describedObject priorityLevelConfiguration limitResponse deprecatedSource regarding jobTemplate lastState state
    involvedObject kubeletEndpoint daemonEndpoints nodeInfo loadBalancer backend
    """
)
# ...and those whose name alone does not tell.
BY_VALUE_IN = _words(
    """
    MutatingWebhook.clientConfig ValidatingWebhook.clientConfig PodTemplate.template DaemonSetSpec.template
    DeploymentSpec.template JobSpec.template ReplicaSetSpec.template StatefulSetSpec.template Container.resources
    EphemeralContainer.resources PersistentVolumeClaimSpec.resources NetworkPolicySpec.podSelector
    TokenReviewStatus.user IngressServiceBackend.port StorageVersionMigrationSpec.resource
    """
)
NOT_BY_VALUE = frozenset({"CustomResourceSubresources.status", "ResourcePoolStatusRequest.status"})
# Scalars that the API always has although they are not required, and the other way round.
ALWAYS = _words(
    """
    ConfigMapEnvSource.name ConfigMapKeySelector.name ConfigMapProjection.name ConfigMapVolumeSource.name
    LocalObjectReference.name SecretEnvSource.name SecretKeySelector.name SecretProjection.name
    NodeRuntimeHandler.name DeviceRequest.deviceClassName core.v1.Event.reportingComponent
    core.v1.Event.reportingInstance FileKeySelector.optional FlowSchemaSpec.matchingPrecedence GRPCAction.service
    PodDisruptionBudgetStatus.currentHealthy PodDisruptionBudgetStatus.desiredHealthy
    PodDisruptionBudgetStatus.disruptionsAllowed PodDisruptionBudgetStatus.expectedPods
    PodFailurePolicyOnPodConditionsPattern.status PriorityClass.value QueuingConfiguration.handSize
    QueuingConfiguration.queueLengthLimit QueuingConfiguration.queues ReplicationControllerSpec.minReadySeconds
    RoleRef.apiGroup ScaleSpec.replicas StatefulSetOrdinals.start StatefulSetSpec.serviceName
    StatefulSetStatus.availableReplicas TokenRequestStatus.token AzureDiskVolumeSource.readOnly
    """
)
NOT_ALWAYS = _words(
    """
    CertificateSigningRequestSpec.request ContainerRestartRule.action ContainerRestartRuleOnExitCodes.operator
    HTTPIngressPath.pathType ImageVolumeStatus.imageRef LeaseCandidateSpec.strategy MutatingWebhook.sideEffects
    ParentReference.name ParentReference.resource PodCertificateProjection.keyType
    PodCertificateProjection.signerName PodCertificateRequestSpec.stubPKCS10Request PoolStatus.driver
    PoolStatus.poolName ResourcePoolStatusRequestStatus.poolCount ServerStorageVersion.apiServerID
    ServerStorageVersion.encodingVersion StorageVersionCondition.message TokenReviewSpec.token
    ValidatingAdmissionPolicyBindingSpec.policyName ValidatingWebhook.sideEffects
    """
)
# Defaults that are part of the type.
STATED: dict[str, Any] = {
    "AzureDiskVolumeSource.cachingMode": "ReadWrite",
    "AzureDiskVolumeSource.fsType": "ext4",
    "AzureDiskVolumeSource.kind": "Shared",
    "ContainerPort.protocol": "TCP",
    "DeviceToleration.operator": "Equal",
    "ISCSIPersistentVolumeSource.iscsiInterface": "default",
    "ISCSIVolumeSource.iscsiInterface": "default",
    "PodCertificateRequestSpec.maxExpirationSeconds": 86400,
    "PodGroupSpec.disruptionMode": "Pod",
    "RBDPersistentVolumeSource.keyring": "/etc/ceph/keyring",
    "RBDPersistentVolumeSource.pool": "rbd",
    "RBDPersistentVolumeSource.user": "admin",
    "RBDVolumeSource.keyring": "/etc/ceph/keyring",
    "RBDVolumeSource.pool": "rbd",
    "RBDVolumeSource.user": "admin",
    "ReplicationControllerSpec.replicas": 1,
    "ResourcePoolStatusRequestSpec.limit": 100,
    "ScaleIOPersistentVolumeSource.fsType": "xfs",
    "ScaleIOPersistentVolumeSource.storageMode": "ThinProvisioned",
    "ScaleIOVolumeSource.fsType": "xfs",
    "ScaleIOVolumeSource.storageMode": "ThinProvisioned",
    "ServicePort.protocol": "TCP",
}


class Source:
    """The schema's definitions by name, each decoded when asked for, so that never all of them are in memory."""

    def __init__(self) -> None:
        self._definitions = _parts("definitions.json")
        self._prose = _parts("descriptions.json")

    def names(self) -> list[str]:
        return sorted(self._definitions)

    def described(self, name: str) -> dict[str, Any]:
        """The definition, cleaned and with its prose; references still in the schema's form."""
        return _described(name, msgspec.json.decode(self._definitions[name]), msgspec.json.decode(self._prose[name]))

    def closure(self, names: Iterable[str]) -> list[str]:
        """These definitions and all they refer to, sorted; names of nothing are left out."""
        found: set[str] = set()
        todo = list(names)
        while todo:
            name = todo.pop()
            if name not in found and name in self._definitions:
                found.add(name)
                todo.extend(_references(msgspec.json.decode(self._definitions[name])))
        return sorted(found)


def _parts(file: str) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode((schema.HERE / file).read_bytes(), type=dict[str, msgspec.Raw])


def _references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value.removeprefix(REF)
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _described(name: str, source: dict[str, Any], prose: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = _cleaned(source)
    found.pop("oneOf", None)
    if prose.get(""):
        found["description"] = prose[""]
    for field, text in prose.items():
        if field and text:
            found["properties"][field]["description"] = text
    for field in ("apiVersion", "kind"):
        found.get("properties", {}).get(field, {}).pop("enum", None)
    if name == QUANTITY:
        found |= {"type": "string", "description": QUANTITY_PROSE}
    if name == INT_OR_STRING:
        found |= {"type": "string", "format": "int-or-string", "description": INT_OR_STRING_PROSE}
    return found


QUANTITY_PROSE = (
    "Quantity is a fixed-point number with an optional suffix: a binary one (Ki, Mi, Gi, Ti, Pi, Ei), a decimal one "
    "(n, u, m, k, M, G, T, P, E) or a decimal exponent (e3, E3). It is written in canonical form: no fraction, the "
    "largest suffix that loses nothing, and the kind of suffix it was given with. 1.5 is written 1500m, 1.5Gi is "
    "written 1536Mi."
)
INT_OR_STRING_PROSE = (
    "IntOrString is a type that can hold an int32 or a string.  When used in JSON or YAML marshalling and "
    "unmarshalling, it produces or consumes the inner type.  This allows you to have, for example, a JSON field that "
    "can accept a name or number."
)


def _cleaned(node: Any) -> Any:
    """A copy where nothing may be null."""
    if isinstance(node, dict):
        return {k: _cleaned(v) for k, v in node.items()}
    if isinstance(node, list):
        kinds = [v for v in node if v != "null"]
        return kinds[0] if len(kinds) == 1 and len(node) == 2 and "null" in node else [_cleaned(v) for v in node]
    return node


def for_v2(found: dict[str, Any]) -> dict[str, Any]:
    """A definition with references as Swagger writes them."""
    referring: dict[str, Any] = _referring(found, "#/definitions/")
    return referring


def for_v3(name: str, found: dict[str, Any], group: str | None, version: str) -> dict[str, Any]:
    """A definition with references as OpenAPI 3 writes them and with defaults; of the many kinds that an options type
    stands for, those of this group and version."""
    if name == QUANTITY:
        return {"description": QUANTITY_PROSE, "oneOf": [{"type": "string"}, {"type": "number"}]}
    definition: dict[str, Any] = _referring(_with_defaults(name, found), "#/components/schemas/")
    kinds = definition.get("x-kubernetes-group-version-kind", ())
    if len(kinds) > 1:
        own = [k for k in kinds if (k["group"], k["version"]) in (("", "v1"), (group, version))]
        definition["x-kubernetes-group-version-kind"] = own
    if name == INT_OR_STRING:
        definition["oneOf"] = [{"type": "integer"}, {"type": "string"}]
        del definition["type"]
    return definition


def _with_defaults(name: str, definition: dict[str, Any]) -> dict[str, Any]:
    found = copy.deepcopy(definition)
    full, short = name.removeprefix("io.k8s.api."), name.rsplit(".", 1)[-1]
    required = definition.get("required", ())
    for field, source in found.get("properties", {}).items():
        always = f"{short}.{field}" in ALWAYS or f"{full}.{field}" in ALWAYS
        default = _default(f"{short}.{field}", field, source, required=field in required, always=always)
        if default is not None:
            source["default"] = default
        if "$ref" in source and len(source) > 1:
            source["allOf"] = [{"$ref": source.pop("$ref")}]
    return found


def _default(path: str, field: str, source: dict[str, Any], *, required: bool, always: bool) -> Any:
    if path in STATED:
        return STATED[path]
    if "$ref" in source:
        by_value = field in BY_VALUE or path in BY_VALUE_IN
        return {} if by_value and path not in NOT_BY_VALUE else None
    if always or (required and path not in NOT_ALWAYS):
        return ZERO.get(source.get("type", ""))
    return None


def _referring(node: Any, prefix: str) -> Any:
    if isinstance(node, dict):
        return {k: _referring(v, prefix) for k, v in node.items()}
    if isinstance(node, str) and node.startswith(REF):
        return prefix + node.removeprefix(REF)
    return [_referring(v, prefix) for v in node] if isinstance(node, list) else node
