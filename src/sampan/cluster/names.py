"""The Service `kube-system/kube-dns`: the name and the address under which programs look for a cluster's DNS.

Every node answers at its address itself, so nobody is to make rules of it: it has no endpoints, and a label that tells
service proxies, kube-proxy too, to leave it alone.
"""

from __future__ import annotations

import logging

from sampan.api.errors import AlreadyExists, ApiError
from sampan.api.kinds import core_v1, meta_v1
from sampan.client.interface import Client
from sampan.cluster.options import Options
from sampan.network.proxy.model import OTHER_PROXY_LABEL

log = logging.getLogger(__name__)

NAMESPACE, NAME = "kube-system", "kube-dns"
LABELS = {
    "k8s-app": NAME,
    "kubernetes.io/cluster-service": "true",
    "kubernetes.io/name": "SampanDNS",
    OTHER_PROXY_LABEL: "sampan-dns",
}


async def publish(client: Client, options: Options) -> None:
    """One that is there stays as it is; where somebody else has the address, DNS works without. Raises Unreachable."""
    addresses = list(options.dns_ips)
    spec = core_v1.ServiceSpec(
        clusterIP=addresses[0],
        clusterIPs=addresses,
        ipFamilyPolicy="RequireDualStack" if len(addresses) > 1 else "SingleStack",
        ports=[
            core_v1.ServicePort(name="dns", port=53, protocol="UDP"),
            core_v1.ServicePort(name="dns-tcp", port=53, protocol="TCP"),
        ],
    )
    metadata = meta_v1.ObjectMeta(name=NAME, namespace=NAMESPACE, labels=LABELS)
    try:
        await client.create(core_v1.Service(metadata=metadata, spec=spec))
    except AlreadyExists:
        return
    except ApiError as error:
        log.warning("the Service %s/%s is not made error=%s", NAMESPACE, NAME, error)
