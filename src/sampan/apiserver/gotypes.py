"""Names of Go types where the schema does not tell them, for the one place that shows them: messages of the decoder.

Upstream's decoder names the Go type it wanted (`v1.Protocol` where the schema says string) and spells the way to a
field with the structs that Go embeds on it (`livenessProbe.ProbeHandler.httpGet`). The tables follow the API's Go
packages as their reference documentation lists them (https://pkg.go.dev/k8s.io/api).
"""

from __future__ import annotations

_STRINGS = """
CSIDriverSpec.fsGroupPolicy FSGroupPolicy
CSIDriverSpec.volumeLifecycleModes VolumeLifecycleMode
CertificateSigningRequestCondition.status ConditionStatus
CertificateSigningRequestCondition.type RequestConditionType
CertificateSigningRequestSpec.usages KeyUsage
Container.imagePullPolicy PullPolicy
Container.restartPolicy ContainerRestartPolicy
Container.terminationMessagePolicy TerminationMessagePolicy
ContainerPort.protocol Protocol
CronJobSpec.concurrencyPolicy ConcurrencyPolicy
CustomResourceDefinitionSpec.scope ResourceScope
DaemonSetUpdateStrategy.type DaemonSetUpdateStrategyType
DeploymentStrategy.type DeploymentStrategyType
EmptyDirVolumeSource.medium StorageMedium
EndpointPort.protocol Protocol
EndpointSlice.addressType AddressType
ExactDeviceRequest.allocationMode DeviceAllocationMode
FlowDistinguisherMethod.type FlowDistinguisherMethodType
HTTPGetAction.scheme URIScheme
HTTPIngressPath.pathType PathType
HostPathVolumeSource.type HostPathType
JobSpec.completionMode CompletionMode
JobSpec.podReplacementPolicy PodReplacementPolicy
LabelSelectorRequirement.operator LabelSelectorOperator
LimitRangeItem.type LimitType
LimitResponse.type LimitResponseType
MetricSpec.type MetricSourceType
MetricTarget.type MetricTargetType
MutatingWebhook.failurePolicy FailurePolicyType
MutatingWebhook.matchPolicy MatchPolicyType
MutatingWebhook.reinvocationPolicy ReinvocationPolicyType
MutatingWebhook.sideEffects SideEffectClass
NamespaceSpec.finalizers FinalizerName
NamespaceStatus.phase NamespacePhase
NetworkPolicyPort.protocol Protocol
NetworkPolicySpec.policyTypes PolicyType
NodeAddress.type NodeAddressType
NodeCondition.status ConditionStatus
NodeCondition.type NodeConditionType
NodeSelectorRequirement.operator NodeSelectorOperator
ParamRef.parameterNotFoundAction ParameterNotFoundActionType
PersistentVolumeClaimSpec.accessModes PersistentVolumeAccessMode
PersistentVolumeClaimSpec.volumeMode PersistentVolumeMode
PersistentVolumeClaimStatus.phase PersistentVolumeClaimPhase
PersistentVolumeSpec.accessModes PersistentVolumeAccessMode
PersistentVolumeSpec.persistentVolumeReclaimPolicy PersistentVolumeReclaimPolicy
PersistentVolumeSpec.volumeMode PersistentVolumeMode
PersistentVolumeStatus.phase PersistentVolumePhase
PodCondition.status ConditionStatus
PodCondition.type PodConditionType
PodDisruptionBudgetSpec.unhealthyPodEvictionPolicy UnhealthyPodEvictionPolicyType
PodFailurePolicyOnExitCodesRequirement.operator PodFailurePolicyOnExitCodesOperator
PodFailurePolicyOnPodConditionsPattern.status ConditionStatus
PodFailurePolicyOnPodConditionsPattern.type PodConditionType
PodFailurePolicyRule.action PodFailurePolicyAction
PodReadinessGate.conditionType PodConditionType
PodSpec.dnsPolicy DNSPolicy
PodSpec.preemptionPolicy PreemptionPolicy
PodSpec.restartPolicy RestartPolicy
PodStatus.phase PodPhase
PodStatus.qosClass PodQOSClass
PriorityClass.preemptionPolicy PreemptionPolicy
PriorityLevelConfigurationSpec.type PriorityLevelEnablement
ResourceQuotaSpec.scopes ResourceQuotaScope
RuleWithOperations.operations OperationType
RuleWithOperations.scope ScopeType
ScopedResourceSelectorRequirement.operator ScopeSelectorOperator
ScopedResourceSelectorRequirement.scopeName ResourceQuotaScope
SeccompProfile.type SeccompProfileType
Secret.type SecretType
SecurityContext.procMount ProcMountType
ServicePort.protocol Protocol
ServiceSpec.externalTrafficPolicy ServiceExternalTrafficPolicy
ServiceSpec.internalTrafficPolicy ServiceInternalTrafficPolicy
ServiceSpec.ipFamilies IPFamily
ServiceSpec.ipFamilyPolicy IPFamilyPolicy
ServiceSpec.sessionAffinity ServiceAffinity
ServiceSpec.type ServiceType
StatefulSetPersistentVolumeClaimRetentionPolicy.whenDeleted PersistentVolumeClaimRetentionPolicyType
StatefulSetPersistentVolumeClaimRetentionPolicy.whenScaled PersistentVolumeClaimRetentionPolicyType
StatefulSetSpec.podManagementPolicy PodManagementPolicyType
StatefulSetUpdateStrategy.type StatefulSetUpdateStrategyType
StorageClass.reclaimPolicy PersistentVolumeReclaimPolicy
StorageClass.volumeBindingMode VolumeBindingMode
Taint.effect TaintEffect
Toleration.effect TaintEffect
Toleration.operator TolerationOperator
TopologySpreadConstraint.whenUnsatisfiable UnsatisfiableConstraintAction
ValidatingAdmissionPolicyBindingSpec.validationActions ValidationAction
ValidatingAdmissionPolicySpec.failurePolicy FailurePolicyType
ValidatingWebhook.failurePolicy FailurePolicyType
ValidatingWebhook.matchPolicy MatchPolicyType
ValidatingWebhook.sideEffects SideEffectClass
VolumeMount.mountPropagation MountPropagationMode
"""
STRINGS: dict[str, str] = dict(row.split() for row in _STRINGS.strip().splitlines())
"""Definition and field to the name of the string type it has in Go."""

LISTS_OF_RESOURCES = frozenset(
    {
        "ResourceRequirements.limits",
        "ResourceRequirements.requests",
        "VolumeResourceRequirements.limits",
        "VolumeResourceRequirements.requests",
        "LimitRangeItem.max",
        "LimitRangeItem.min",
        "LimitRangeItem.default",
        "LimitRangeItem.defaultRequest",
        "LimitRangeItem.maxLimitRequestRatio",
        "ResourceQuotaSpec.hard",
        "ResourceQuotaStatus.hard",
        "ResourceQuotaStatus.used",
        "NodeStatus.capacity",
        "NodeStatus.allocatable",
        "PersistentVolumeSpec.capacity",
        "PersistentVolumeClaimStatus.capacity",
        "PodSpec.overhead",
        "Overhead.podFixed",
    }
)
"""Maps of quantities that Go calls `ResourceList`."""

QUALIFIED_KEYS = frozenset({"Device.attributes", "Device.capacity"})
"""Maps whose keys are of a type of their own."""

_REFERENCE: dict[str, tuple[str, ...]] = {"name": ("LocalObjectReference",)}
_RULE = ("apiGroups", "apiVersions", "resources", "scope")
EMBEDDED: dict[str, dict[str, tuple[str, ...]]] = {
    "ConfigMapEnvSource": _REFERENCE,
    "SecretEnvSource": _REFERENCE,
    "ConfigMapKeySelector": _REFERENCE,
    "SecretKeySelector": _REFERENCE,
    "ConfigMapProjection": _REFERENCE,
    "SecretProjection": _REFERENCE,
    "ConfigMapVolumeSource": _REFERENCE,
    "Probe": dict.fromkeys(("exec", "httpGet", "tcpSocket", "grpc"), ("ProbeHandler",)),
    "IngressRule": {"http": ("IngressRuleValue",)},
    "RuleWithOperations": dict.fromkeys(_RULE, ("Rule",)),
    "NamedRuleWithOperations": dict.fromkeys(_RULE, ("RuleWithOperations", "Rule"))
    | {"operations": ("RuleWithOperations",)},
}
"""Definition to field to the structs that Go embeds on the way to it."""

_VOLUME_OWN = frozenset({"name"})
_PERSISTENT_OWN = frozenset(
    {
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    }
)


def way(definition: str, field: str) -> str:
    """A field's part of a path: its name behind those of the structs it is embedded in."""
    if definition == "Volume" and field not in _VOLUME_OWN:
        return f"VolumeSource.{field}"
    if definition == "PersistentVolumeSpec" and field not in _PERSISTENT_OWN:
        return f"PersistentVolumeSource.{field}"
    if definition == "EphemeralContainer" and field != "targetContainerName":
        return f"EphemeralContainerCommon.{field}"
    return ".".join((*EMBEDDED.get(definition, {}).get(field, ()), field))
