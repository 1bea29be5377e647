"""Field numbers of the protobuf forms of this group's types; see `sampan.codec.protobuf`."""

from __future__ import annotations

FIELDS = {
    "networking_v1": """
        ServiceBackendPort name=1 number=2
        IngressServiceBackend name=1 port=2
        IngressBackend service=4 resource=3
        HTTPIngressPath path=1 pathType=3 backend=2
        HTTPIngressRuleValue paths=1
        ParentReference group=1 resource=2 namespace=3 name=4
        IPAddressSpec parentRef=1
        IPAddress metadata=1 spec=2
        IPAddressList metadata=1 items=2
        IPBlock cidr=1 except=2
        IngressRule host=1 2(http=1)
        IngressTLS hosts=1 secretName=2
        IngressSpec ingressClassName=4 defaultBackend=1 tls=2 rules=3
        IngressPortStatus port=1 protocol=2 error=3
        IngressLoadBalancerIngress ip=1 hostname=2 ports=4
        IngressLoadBalancerStatus ingress=1
        IngressStatus loadBalancer=1
        Ingress metadata=1 spec=2 status=3
        IngressClassParametersReference apiGroup=1 kind=2 name=3 scope=4 namespace=5
        IngressClassSpec controller=1 parameters=2
        IngressClass metadata=1 spec=2
        IngressClassList metadata=1 items=2
        IngressList metadata=1 items=2
        NetworkPolicyPort protocol=1 port=2 endPort=3
        NetworkPolicyPeer podSelector=1 namespaceSelector=2 ipBlock=3
        NetworkPolicyEgressRule ports=1 to=2
        NetworkPolicyIngressRule ports=1 from=2
        NetworkPolicySpec podSelector=1 ingress=2 egress=3 policyTypes=4
        NetworkPolicy metadata=1 spec=2
        NetworkPolicyList metadata=1 items=2
        ServiceCIDRSpec cidrs=1
        ServiceCIDRStatus conditions=1
        ServiceCIDR metadata=1 spec=2 status=3
        ServiceCIDRList metadata=1 items=2
    """,
    "networking_v1beta1": """
        ParentReference group=1 resource=2 namespace=3 name=4
        IPAddressSpec parentRef=1
        IPAddress metadata=1 spec=2
        IPAddressList metadata=1 items=2
        ServiceCIDRSpec cidrs=1
        ServiceCIDRStatus conditions=1
        ServiceCIDR metadata=1 spec=2 status=3
        ServiceCIDRList metadata=1 items=2
    """,
}
