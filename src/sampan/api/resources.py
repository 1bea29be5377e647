"""Every resource the API serves: a row each, by group and version, as the API reference lists them.

A row is `plural Kind scope [short=a,b] [all] [verbs=...] [sub=...]`; scope is `ns` or `cluster`. Without `verbs=` all
eight are served. `sub=` names subresources; what each of them is stands in SUBRESOURCES. Versions of one group are
listed preferred first; the first version that serves a resource is the one its objects are stored in, unless
STORED_IN says otherwise. The order of groups is the order of discovery.
"""

from __future__ import annotations

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")

POD_SUBRESOURCES = "attach,binding,ephemeralcontainers,eviction,exec,log,portforward,proxy,resize,status"

GROUPS: dict[tuple[str, str], str] = {
    ("", "v1"): f"""
        bindings Binding ns verbs=create
        componentstatuses ComponentStatus cluster short=cs verbs=get,list
        configmaps ConfigMap ns short=cm
        endpoints Endpoints ns short=ep singular=endpoints
        events Event ns short=ev
        limitranges LimitRange ns short=limits
        namespaces Namespace cluster short=ns verbs=create,delete,get,list,patch,update,watch sub=finalize,status
        nodes Node cluster short=no sub=proxy,status
        persistentvolumeclaims PersistentVolumeClaim ns short=pvc sub=status
        persistentvolumes PersistentVolume cluster short=pv sub=status
        pods Pod ns short=po all sub={POD_SUBRESOURCES}
        podtemplates PodTemplate ns
        replicationcontrollers ReplicationController ns short=rc all sub=scale,status
        resourcequotas ResourceQuota ns short=quota sub=status
        secrets Secret ns
        serviceaccounts ServiceAccount ns short=sa sub=token
        services Service ns short=svc all sub=proxy,status
    """,
    ("apiregistration.k8s.io", "v1"): """
        apiservices APIService cluster categories=api-extensions sub=status
    """,
    ("apps", "v1"): """
        controllerrevisions ControllerRevision ns
        daemonsets DaemonSet ns short=ds all sub=status
        deployments Deployment ns short=deploy all sub=scale,status
        replicasets ReplicaSet ns short=rs all sub=scale,status
        statefulsets StatefulSet ns short=sts all sub=scale,status
    """,
    ("events.k8s.io", "v1"): """
        events Event ns short=ev
    """,
    ("authentication.k8s.io", "v1"): """
        selfsubjectreviews SelfSubjectReview cluster verbs=create
        tokenreviews TokenReview cluster verbs=create
    """,
    ("authorization.k8s.io", "v1"): """
        localsubjectaccessreviews LocalSubjectAccessReview ns verbs=create
        selfsubjectaccessreviews SelfSubjectAccessReview cluster verbs=create
        selfsubjectrulesreviews SelfSubjectRulesReview cluster verbs=create
        subjectaccessreviews SubjectAccessReview cluster verbs=create
    """,
    ("autoscaling", "v2"): """
        horizontalpodautoscalers HorizontalPodAutoscaler ns short=hpa all sub=status
    """,
    ("autoscaling", "v1"): """
        horizontalpodautoscalers HorizontalPodAutoscaler ns short=hpa all sub=status
    """,
    ("batch", "v1"): """
        cronjobs CronJob ns short=cj all sub=status
        jobs Job ns all sub=status
    """,
    ("certificates.k8s.io", "v1"): """
        certificatesigningrequests CertificateSigningRequest cluster short=csr sub=approval,status
    """,
    ("certificates.k8s.io", "v1beta1"): """
        clustertrustbundles ClusterTrustBundle cluster
        podcertificaterequests PodCertificateRequest ns sub=status
    """,
    ("certificates.k8s.io", "v1alpha1"): """
        clustertrustbundles ClusterTrustBundle cluster
    """,
    ("networking.k8s.io", "v1"): """
        ingressclasses IngressClass cluster
        ingresses Ingress ns short=ing sub=status
        ipaddresses IPAddress cluster short=ip
        networkpolicies NetworkPolicy ns short=netpol
        servicecidrs ServiceCIDR cluster sub=status
    """,
    ("networking.k8s.io", "v1beta1"): """
        ipaddresses IPAddress cluster short=ip
        servicecidrs ServiceCIDR cluster sub=status
    """,
    ("policy", "v1"): """
        poddisruptionbudgets PodDisruptionBudget ns short=pdb sub=status
    """,
    ("rbac.authorization.k8s.io", "v1"): """
        clusterrolebindings ClusterRoleBinding cluster
        clusterroles ClusterRole cluster
        rolebindings RoleBinding ns
        roles Role ns
    """,
    ("storage.k8s.io", "v1"): """
        csidrivers CSIDriver cluster
        csinodes CSINode cluster
        csistoragecapacities CSIStorageCapacity ns
        storageclasses StorageClass cluster short=sc
        volumeattachments VolumeAttachment cluster sub=status
        volumeattributesclasses VolumeAttributesClass cluster short=vac
    """,
    ("storage.k8s.io", "v1beta1"): """
        volumeattributesclasses VolumeAttributesClass cluster short=vac
    """,
    ("admissionregistration.k8s.io", "v1"): """
        mutatingadmissionpolicies MutatingAdmissionPolicy cluster categories=api-extensions
        mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding cluster categories=api-extensions
        mutatingwebhookconfigurations MutatingWebhookConfiguration cluster categories=api-extensions
        validatingadmissionpolicies ValidatingAdmissionPolicy cluster categories=api-extensions sub=status
        validatingadmissionpolicybindings ValidatingAdmissionPolicyBinding cluster categories=api-extensions
        validatingwebhookconfigurations ValidatingWebhookConfiguration cluster categories=api-extensions
    """,
    ("admissionregistration.k8s.io", "v1beta1"): """
        mutatingadmissionpolicies MutatingAdmissionPolicy cluster categories=api-extensions
        mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding cluster categories=api-extensions
    """,
    ("admissionregistration.k8s.io", "v1alpha1"): """
        mutatingadmissionpolicies MutatingAdmissionPolicy cluster categories=api-extensions
        mutatingadmissionpolicybindings MutatingAdmissionPolicyBinding cluster categories=api-extensions
    """,
    ("apiextensions.k8s.io", "v1"): """
        customresourcedefinitions CustomResourceDefinition cluster short=crd,crds categories=api-extensions sub=status
    """,
    ("scheduling.k8s.io", "v1"): """
        priorityclasses PriorityClass cluster short=pc
    """,
    ("scheduling.k8s.io", "v1alpha2"): """
        podgroups PodGroup ns sub=status
        workloads Workload ns
    """,
    ("coordination.k8s.io", "v1"): """
        leases Lease ns
    """,
    ("coordination.k8s.io", "v1beta1"): """
        leasecandidates LeaseCandidate ns
    """,
    ("coordination.k8s.io", "v1alpha2"): """
        leasecandidates LeaseCandidate ns
    """,
    ("node.k8s.io", "v1"): """
        runtimeclasses RuntimeClass cluster
    """,
    ("discovery.k8s.io", "v1"): """
        endpointslices EndpointSlice ns
    """,
    ("resource.k8s.io", "v1"): """
        deviceclasses DeviceClass cluster
        resourceclaims ResourceClaim ns sub=status
        resourceclaimtemplates ResourceClaimTemplate ns
        resourceslices ResourceSlice cluster
    """,
    ("resource.k8s.io", "v1beta2"): """
        deviceclasses DeviceClass cluster
        devicetaintrules DeviceTaintRule cluster sub=status
        resourceclaims ResourceClaim ns sub=status
        resourceclaimtemplates ResourceClaimTemplate ns
        resourceslices ResourceSlice cluster
    """,
    ("resource.k8s.io", "v1beta1"): """
        deviceclasses DeviceClass cluster
        resourceclaims ResourceClaim ns sub=status
        resourceclaimtemplates ResourceClaimTemplate ns
        resourceslices ResourceSlice cluster
    """,
    ("resource.k8s.io", "v1alpha3"): """
        devicetaintrules DeviceTaintRule cluster sub=status
        resourcepoolstatusrequests ResourcePoolStatusRequest cluster sub=status
    """,
    ("flowcontrol.apiserver.k8s.io", "v1"): """
        flowschemas FlowSchema cluster sub=status
        prioritylevelconfigurations PriorityLevelConfiguration cluster sub=status
    """,
    ("internal.apiserver.k8s.io", "v1alpha1"): """
        storageversions StorageVersion cluster sub=status
    """,
    ("storagemigration.k8s.io", "v1beta1"): """
        storageversionmigrations StorageVersionMigration cluster sub=status
    """,
}

# subresource -> (group, version, kind of its object or "" for the parent's, verbs)
_READ_WRITE = ("get", "patch", "update")
_CONNECT = ("create", "delete", "get", "patch", "update")
SUBRESOURCES: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "approval": ("", "", "", _READ_WRITE),
    "attach": ("", "v1", "PodAttachOptions", ("create", "get")),
    "binding": ("", "v1", "Binding", ("create",)),
    "ephemeralcontainers": ("", "", "", _READ_WRITE),
    "eviction": ("policy", "v1", "Eviction", ("create",)),
    "exec": ("", "v1", "PodExecOptions", ("create", "get")),
    "finalize": ("", "", "", ("update",)),
    "log": ("", "", "", ("get",)),
    "portforward": ("", "v1", "PodPortForwardOptions", ("create", "get")),
    "proxy": ("", "v1", "", _CONNECT),
    "resize": ("", "", "", _READ_WRITE),
    "scale": ("autoscaling", "v1", "Scale", _READ_WRITE),
    "status": ("", "", "", _READ_WRITE),
    "token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
}
PROXY_OPTIONS = {"nodes": "NodeProxyOptions", "pods": "PodProxyOptions", "services": "ServiceProxyOptions"}

# resources whose objects live under another resource's name: (group, plural) -> (group, plural, version stored)
STORED_IN: dict[tuple[str, str], tuple[str, str, str]] = {
    ("events.k8s.io", "events"): ("", "events", "v1"),
}
