"""Which fields an object shows although they are empty, and which zero values it forgets.

Upstream's objects are Go structs, and Go's JSON encoder sees three sorts of field, of which the schema tells only
a part:

* a *value* field marked "omitempty" holds a zero when absent and is left out when zero: `hostNetwork: false` and
  `workingDir: ""` vanish;
* a *pointer* field tells absent from zero: `automountServiceAccountToken: false` stays;
* a value field without "omitempty" always shows, and a struct held by value always shows, be it as `{}`.

The rules, from which the tables below name the exceptions:

* what the schema calls required is a value that always shows: strings as "", numbers as 0, objects as `{}`, lists and
  maps as null;
* an optional string is a value that is left out when empty; optional numbers and booleans are pointers;
* an optional object is a pointer; `metadata` is always a value;
* an optional list or map is left out when empty;
* a time held by value shows as null when absent.

A definition is named by its namespace and name, as in `sampan.api.kinds`: `core_v1.Pod`. Where several versions of a
group agree, the version is left out (`resource.DeviceToleration`).
Source: the Go types as documented at https://pkg.go.dev/k8s.io/api, v0.36.
"""

from __future__ import annotations


def table(text: str) -> dict[str, frozenset[str]]:
    """Rows of `definition: field field ...`."""
    rows = (row.split(":") for row in text.strip().splitlines())
    return {name.strip(): frozenset(fields.split()) for name, fields in rows}


# Optional objects that are held by value and so always show, `{}` at least.
VALUES = table("""
    admissionregistration.MutatingAdmissionPolicy: spec
    admissionregistration.MutatingAdmissionPolicyBinding: spec
    admissionregistration.ValidatingAdmissionPolicy: spec status
    admissionregistration.ValidatingAdmissionPolicyBinding: spec
    apiserverinternal.StorageVersion: spec status
    apps.DaemonSet: spec status
    apps.DaemonSetSpec: updateStrategy
    apps.Deployment: spec status
    apps.DeploymentSpec: strategy
    apps.ReplicaSet: spec status
    apps.ReplicaSetSpec: template
    apps.StatefulSet: spec status
    apps.StatefulSetSpec: updateStrategy
    authentication.SelfSubjectReview: status
    authentication.SelfSubjectReviewStatus: userInfo
    authentication.TokenRequest: spec status
    authentication.TokenReview: status
    authentication.TokenReviewStatus: user
    authorization.LocalSubjectAccessReview: status
    authorization.SelfSubjectAccessReview: status
    authorization.SelfSubjectRulesReview: status
    authorization.SubjectAccessReview: status
    autoscaling_v1.HorizontalPodAutoscaler: spec status
    autoscaling_v2.HorizontalPodAutoscaler: spec status
    autoscaling.Scale: spec status
    batch.CronJob: spec status
    batch.Job: spec status
    batch.JobTemplateSpec: spec
    certificates.CertificateSigningRequest: status
    certificates.PodCertificateRequest: status
    coordination.Lease: spec
    coordination.LeaseCandidate: spec
    core.Container: resources
    core.ContainerStatus: lastState state
    core.EphemeralContainer: resources
    core.Event: source
    core.LimitRange: spec
    core.Namespace: spec status
    core.Node: spec status
    core.NodeDaemonEndpoints: kubeletEndpoint
    core.NodeStatus: daemonEndpoints nodeInfo
    core.PersistentVolume: spec status
    core.PersistentVolumeClaim: spec status
    core.PersistentVolumeClaimSpec: resources
    core.Pod: spec status
    core.PodTemplate: template
    core.PodTemplateSpec: spec
    core.ReplicationController: spec status
    core.ResourceQuota: spec status
    core.Service: spec status
    core.ServiceStatus: loadBalancer
    discovery.Endpoint: conditions
    events.Event: deprecatedSource regarding
    flowcontrol.FlowSchema: spec status
    flowcontrol.LimitedPriorityLevelConfiguration: limitResponse
    flowcontrol.PriorityLevelConfiguration: spec status
    networking.Ingress: spec status
    networking.IngressClass: spec
    networking.IngressServiceBackend: port
    networking.IngressStatus: loadBalancer
    networking.NetworkPolicy: spec
    networking.NetworkPolicySpec: podSelector
    networking.ServiceCIDR: spec status
    networking.IPAddress: spec
    policy.PodDisruptionBudget: spec status
    resource.AllocationResult: devices
    resource.ResourceClaim: status
    resource.ResourceClaimSpec: devices
    resource.DeviceTaintRule: status
    scheduling.PodGroup: status
    storage.VolumeAttachment: status
    storagemigration.StorageVersionMigration: spec status
    apiextensions.CustomResourceDefinition: status
    apiextensions.CustomResourceDefinitionStatus: acceptedNames
    apiregistration.APIService: spec status
""")

# Required fields that are pointers all the same, or are left out when empty: nothing shows in their place.
HIDDEN = table("""
    admissionregistration.MutatingWebhook: sideEffects
    admissionregistration.ValidatingAdmissionPolicyBindingSpec: policyName validationActions
    admissionregistration.ValidatingWebhook: sideEffects
    apiserverinternal.ServerStorageVersion: apiServerID encodingVersion decodableVersions
    apiserverinternal.StorageVersionCondition: message
    apps.DaemonSetSpec: selector
    apps.DeploymentSpec: selector
    apps.ReplicaSetSpec: selector
    apps.StatefulSetSpec: selector
    authentication.TokenReviewSpec: token
    certificates.CertificateSigningRequestSpec: request
    certificates.PodCertificateRequestSpec: stubPKCS10Request
    coordination.LeaseCandidateSpec: strategy
    core.ContainerRestartRule: action
    core.ContainerRestartRuleOnExitCodes: operator
    core.ImageVolumeStatus: imageRef
    core.PodCertificateProjection: keyType signerName
    core.ScaleIOPersistentVolumeSource: secretRef
    core.ScaleIOVolumeSource: secretRef
    networking.HTTPIngressPath: pathType
    networking.IPAddressSpec: parentRef
    networking.ParentReference: name resource
    resource.OpaqueDeviceConfiguration: parameters
    resource.PoolStatus: driver poolName
    resource.ResourcePoolStatusRequestStatus: poolCount
""")

# Optional strings and numbers that show although zero.
SHOWN = table("""
    apps.StatefulSetSpec: serviceName
    apps.StatefulSetOrdinals: start
    apps.StatefulSetStatus: availableReplicas
    authentication.TokenRequestStatus: token
    batch.PodFailurePolicyOnPodConditionsPattern: status
    core.Event: reportingComponent reportingInstance
    flowcontrol.FlowSchemaSpec: matchingPrecedence
    flowcontrol.QueuingConfiguration: handSize queueLengthLimit queues
    policy.PodDisruptionBudgetStatus: currentHealthy desiredHealthy disruptionsAllowed expectedPods
    rbac.RoleRef: apiGroup
    scheduling.PriorityClass: value
    core.ResourceFieldSelector: divisor
    core.ServicePort: targetPort
""")

# Optional lists and objects that show as null when absent.
NULLS = table("""
    apiextensions.CustomResourceDefinitionStatus: conditions storedVersions
    authentication.TokenRequestSpec: audiences boundObjectRef
    autoscaling_v2.HorizontalPodAutoscalerStatus: currentMetrics
    discovery.EndpointSlice: endpoints ports
    rbac.ClusterRole: rules
    rbac.Role: rules
    resource.DeviceClaim: requests
    storage.CSINodeDriver: topologyKeys
    apps.ControllerRevision: data
    batch.SuccessPolicy: rules
""")

# Times held by value: null when absent.
TIMES = table("""
    apps.DaemonSetCondition: lastTransitionTime
    apps.DeploymentCondition: lastTransitionTime lastUpdateTime
    apps.ReplicaSetCondition: lastTransitionTime
    apps.StatefulSetCondition: lastTransitionTime
    apiserverinternal.StorageVersionCondition: lastTransitionTime
    apiextensions.CustomResourceDefinitionCondition: lastTransitionTime
    apiregistration.APIServiceCondition: lastTransitionTime
    authentication.TokenRequestStatus: expirationTimestamp
    autoscaling_v2.HorizontalPodAutoscalerCondition: lastTransitionTime
    batch.JobCondition: lastProbeTime lastTransitionTime
    certificates.CertificateSigningRequestCondition: lastTransitionTime lastUpdateTime
    core.ContainerStateRunning: startedAt
    core.ContainerStateTerminated: finishedAt startedAt
    core.Event: eventTime firstTimestamp lastTimestamp
    core.EventSeries: lastObservedTime
    core.NamespaceCondition: lastTransitionTime
    core.NodeCondition: lastHeartbeatTime lastTransitionTime
    core.PersistentVolumeClaimCondition: lastProbeTime lastTransitionTime
    core.PodCondition: lastProbeTime lastTransitionTime
    core.ReplicationControllerCondition: lastTransitionTime
    events.Event: deprecatedFirstTimestamp deprecatedLastTimestamp eventTime
    events.EventSeries: lastObservedTime
    flowcontrol.FlowSchemaCondition: lastTransitionTime
    flowcontrol.PriorityLevelConfigurationCondition: lastTransitionTime
    meta.Condition: lastTransitionTime
    storage.VolumeError: time
""")

# Optional strings that are pointers: "" stays.
POINTER_STRINGS = table("""
    admissionregistration.MatchResources: matchPolicy
    admissionregistration.MutatingAdmissionPolicySpec: failurePolicy
    admissionregistration.MutatingWebhook: failurePolicy matchPolicy reinvocationPolicy sideEffects
    admissionregistration.NamedRuleWithOperations: scope
    admissionregistration.ParamRef: parameterNotFoundAction
    admissionregistration.RuleWithOperations: scope
    admissionregistration.ServiceReference: path
    admissionregistration.ValidatingAdmissionPolicySpec: failurePolicy
    admissionregistration.ValidatingWebhook: failurePolicy matchPolicy sideEffects
    admissionregistration.Validation: reason
    admissionregistration.WebhookClientConfig: url
    apiextensions.CustomResourceDefinitionVersion: deprecationWarning
    apiextensions.CustomResourceSubresourceScale: labelSelectorPath
    apiextensions.JSONSchemaProps: $ref x-kubernetes-list-type x-kubernetes-map-type
    apiextensions.ServiceReference: path
    apiextensions.ValidationRule: reason
    apiextensions.WebhookClientConfig: url
    apiserverinternal.StorageVersionStatus: commonEncodingVersion
    autoscaling_v2.HPAScalingRules: selectPolicy
    batch.CronJobSpec: timeZone
    batch.JobSpec: completionMode managedBy podReplacementPolicy
    batch.JobStatus: failedIndexes
    batch.PodFailurePolicyOnExitCodesRequirement: containerName
    batch.SuccessPolicyRule: succeededIndexes
    coordination.LeaseSpec: holderIdentity preferredHolder strategy
    core.AppArmorProfile: localhostProfile
    core.AzureDiskVolumeSource: cachingMode fsType kind
    core.AzureFilePersistentVolumeSource: secretNamespace
    core.CSIVolumeSource: fsType
    core.ClusterTrustBundleProjection: name signerName
    core.Container: restartPolicy
    core.ContainerStatus: stopSignal
    core.EndpointAddress: nodeName
    core.EndpointPort: appProtocol
    core.EphemeralContainer: restartPolicy
    core.GlusterfsPersistentVolumeSource: endpointsNamespace
    core.GRPCAction: service
    core.HostPathVolumeSource: type
    core.ISCSIPersistentVolumeSource: initiatorName
    core.ISCSIVolumeSource: initiatorName
    core.Lifecycle: stopSignal
    core.LoadBalancerIngress: ipMode
    core.LocalVolumeSource: fsType
    core.PersistentVolumeClaimSpec: storageClassName volumeAttributesClassName volumeMode
    core.PersistentVolumeClaimStatus: currentVolumeAttributesClassName
    core.PersistentVolumeSpec: volumeAttributesClassName volumeMode
    core.PodDNSConfigOption: value
    core.PodResourceClaim: resourceClaimName resourceClaimTemplateName
    core.PodResourceClaimStatus: resourceClaimName
    core.PodSchedulingGroup: podGroupName
    core.PodSecurityContext: fsGroupChangePolicy seLinuxChangePolicy supplementalGroupsPolicy
    core.PodSpec: hostnameOverride preemptionPolicy runtimeClassName
    core.PortStatus: error
    core.ResourceHealth: message
    core.SeccompProfile: localhostProfile
    core.SecurityContext: procMount
    core.ServicePort: appProtocol
    core.ServiceSpec: internalTrafficPolicy ipFamilyPolicy loadBalancerClass trafficDistribution
    core.TopologySpreadConstraint: nodeAffinityPolicy nodeTaintsPolicy
    core.TypedLocalObjectReference: apiGroup
    core.TypedObjectReference: apiGroup namespace
    core.VolumeMount: mountPropagation recursiveReadOnly
    core.VolumeMountStatus: recursiveReadOnly
    core.WindowsSecurityContextOptions: gmsaCredentialSpec gmsaCredentialSpecName runAsUserName
    discovery.Endpoint: hostname nodeName zone
    discovery.EndpointPort: appProtocol name protocol
    meta.Preconditions: resourceVersion uid
    meta.DeleteOptions: propagationPolicy
    networking.HTTPIngressPath: pathType
    networking.IngressClassParametersReference: apiGroup namespace scope
    networking.IngressPortStatus: error
    networking.IngressSpec: ingressClassName
    networking.NetworkPolicyPort: protocol
    policy.PodDisruptionBudgetSpec: unhealthyPodEvictionPolicy
    resource.AllocatedDeviceStatus: shareID
    resource.BasicDevice: nodeName
    resource.Device: nodeName
    resource.DeviceAttribute: string version
    resource.DeviceClassSpec: extendedResourceName
    resource.DeviceConstraint: distinctAttribute matchAttribute
    resource.DeviceRequestAllocationResult: shareID
    resource.DeviceTaintSelector: device driver pool
    resource.ResourceSliceSpec: nodeName
    scheduling.PriorityClass: preemptionPolicy
    scheduling.PodGroupResourceClaim: resourceClaimName resourceClaimTemplateName
    scheduling.PodGroupResourceClaimStatus: resourceClaimName
    storage.CSIDriverSpec: fsGroupPolicy
    storage.StorageClass: reclaimPolicy volumeBindingMode
    storage.VolumeAttachmentSource: persistentVolumeName
""")

# Optional numbers and booleans that are values: 0 and false are left out.
VALUE_SCALARS = table("""
    admissionregistration.ValidatingAdmissionPolicyStatus: observedGeneration
    apiextensions.CustomResourceColumnDefinition: priority
    apiextensions.CustomResourceDefinitionCondition: observedGeneration
    apiextensions.CustomResourceDefinitionSpec: preserveUnknownFields
    apiextensions.CustomResourceDefinitionStatus: observedGeneration
    apiextensions.CustomResourceDefinitionVersion: deprecated
    apiextensions.JSONSchemaProps: exclusiveMaximum exclusiveMinimum nullable uniqueItems \
x-kubernetes-embedded-resource x-kubernetes-int-or-string
    apiregistration.APIServiceSpec: insecureSkipTLSVerify
    apiserverinternal.StorageVersionCondition: observedGeneration
    apps.DaemonSetSpec: minReadySeconds
    apps.DaemonSetStatus: numberAvailable numberUnavailable observedGeneration updatedNumberScheduled
    apps.DeploymentSpec: minReadySeconds paused
    apps.DeploymentStatus: availableReplicas observedGeneration readyReplicas replicas unavailableReplicas \
updatedReplicas
    apps.ReplicaSetSpec: minReadySeconds
    apps.ReplicaSetStatus: availableReplicas fullyLabeledReplicas observedGeneration readyReplicas
    apps.StatefulSetSpec: minReadySeconds
    apps.StatefulSetStatus: currentReplicas observedGeneration readyReplicas updatedReplicas
    authentication.TokenReviewStatus: authenticated
    authorization.SubjectAccessReviewStatus: denied
    autoscaling_v1.ScaleSpec: replicas
    autoscaling_v2.HorizontalPodAutoscalerStatus: currentReplicas
    batch.JobStatus: active failed succeeded
    core.AWSElasticBlockStoreVolumeSource: partition readOnly
    core.AzureFilePersistentVolumeSource: readOnly
    core.AzureFileVolumeSource: readOnly
    core.CSIPersistentVolumeSource: readOnly
    core.CephFSPersistentVolumeSource: readOnly
    core.CephFSVolumeSource: readOnly
    core.CinderPersistentVolumeSource: readOnly
    core.CinderVolumeSource: readOnly
    core.Container: stdin stdinOnce tty
    core.ContainerImage: sizeBytes
    core.ContainerPort: hostPort
    core.ContainerStateTerminated: signal
    core.EphemeralContainer: stdin stdinOnce tty
    core.Event: count
    core.EventSeries: count
    core.FCVolumeSource: readOnly
    core.FlexPersistentVolumeSource: readOnly
    core.FlexVolumeSource: readOnly
    core.GCEPersistentDiskVolumeSource: partition readOnly
    core.GlusterfsPersistentVolumeSource: readOnly
    core.GlusterfsVolumeSource: readOnly
    core.ISCSIPersistentVolumeSource: chapAuthDiscovery chapAuthSession readOnly
    core.ISCSIVolumeSource: chapAuthDiscovery chapAuthSession readOnly
    core.NFSVolumeSource: readOnly
    core.NodeSpec: unschedulable
    core.PersistentVolumeClaimVolumeSource: readOnly
    core.PodCondition: observedGeneration
    core.PodSpec: hostIPC hostNetwork hostPID
    core.PodStatus: observedGeneration
    core.PortworxVolumeSource: readOnly
    core.Probe: failureThreshold initialDelaySeconds periodSeconds successThreshold timeoutSeconds
    core.QuobyteVolumeSource: readOnly
    core.RBDPersistentVolumeSource: readOnly
    core.RBDVolumeSource: readOnly
    core.ReplicationControllerSpec: minReadySeconds
    core.ReplicationControllerStatus: availableReplicas fullyLabeledReplicas observedGeneration readyReplicas
    core.ScaleIOPersistentVolumeSource: readOnly sslEnabled
    core.ScaleIOVolumeSource: readOnly sslEnabled
    core.ServicePort: nodePort
    core.ServiceSpec: healthCheckNodePort publishNotReadyAddresses
    core.StorageOSPersistentVolumeSource: readOnly
    core.StorageOSVolumeSource: readOnly
    core.VolumeMount: readOnly
    core.VolumeMountStatus: readOnly
    events.Event: deprecatedCount
    flowcontrol.ResourcePolicyRule: clusterScope
    meta.Condition: observedGeneration
    meta.ObjectMeta: generation
    meta.Status: code
    meta.StatusDetails: retryAfterSeconds
    networking.ServiceBackendPort: number
    policy.PodDisruptionBudgetStatus: observedGeneration
    resource.DeviceSubRequest: count
    resource.DeviceRequest: count
    resource.ExactDeviceRequest: count
    scheduling.PriorityClass: globalDefault
""")


def shows_null(definition: str, field: str, *, required: bool, shape: str) -> bool:
    """Whether an absent field is written as null; `shape` as in `sampan.api.schema.Field`."""
    if required and shape in ("list", "map"):
        return field not in of(HIDDEN, definition)
    return field in of(NULLS, definition) or field in of(TIMES, definition)


def of(rows: dict[str, frozenset[str]], definition: str) -> frozenset[str]:
    """The fields that a table names for a definition such as `core_v1.Pod`."""
    group, name = definition.split(".")
    return rows.get(definition, frozenset()) | rows.get(f"{group.split('_')[0]}.{name}", frozenset())
