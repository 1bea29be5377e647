"""NodeRestriction: a kubelet writes its own things and no others."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.apiserver.auth.user import User
from sampan.cluster import tokenkeys
from tests.unit.apiserver.admission.harness import Api, api, pod

NODE = User("system:node:n1", groups=("system:nodes", "system:authenticated"))
NODES = "/api/v1/nodes"
PODS = "/api/v1/namespaces/default/pods"
BUNDLE = {"name": "v", "projected": {"sources": [{"clusterTrustBundle": {"name": "b", "path": "p"}}]}}
MIRROR = {"annotations": {"kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file"}}


def mirror(**spec: Any) -> dict[str, Any]:
    body = pod("m", metadata=MIRROR)
    body["spec"] |= {"nodeName": "n1", **spec}
    return body


async def test_its_own_node_and_no_other() -> None:
    async with api() as server:
        status, _ = await server("POST", NODES, {"metadata": {"name": "n1"}}, user=NODE)
        assert status == 201
        refused = await server.message(NODES, {"metadata": {"name": "n2"}}, user=NODE)
        assert refused == 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"'


@pytest.mark.parametrize(
    "label, allowed",
    [
        ("kubernetes.io/hostname", True),
        ("node.kubernetes.io/instance-type", True),
        ("mine.example/x", True),
        ("node-role.kubernetes.io/master", False),
        ("node-restriction.kubernetes.io/x", False),
        ("x.node-restriction.kubernetes.io/y", False),
        ("security.k8s.io/x", False),
    ],
)
async def test_labels_a_node_may_set(label: str, allowed: bool) -> None:
    async with api() as server:
        await server("POST", NODES, {"metadata": {"name": "n1"}}, user=NODE)
        status, _ = await server("PATCH", f"{NODES}/n1", {"metadata": {"labels": {label: "v"}}}, user=NODE)
        assert (status == 200) is allowed


@pytest.mark.parametrize(
    "change, words",
    [
        ({"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}, "is not allowed to modify taints"),
        (
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u"}]}},
            "is not allowed to modify ownerReferences",
        ),
    ],
    ids=["taints", "cve-2025-5187"],
)
async def test_what_a_node_may_not_change_of_itself(change: dict[str, Any], words: str) -> None:
    async with api() as server:
        await server("POST", NODES, {"metadata": {"name": "n1"}}, user=NODE)
        assert words in await server.message(f"{NODES}/n1", change, method="PATCH", user=NODE)


@pytest.mark.parametrize(
    "body, words",
    [
        (pod("p"), "can only create mirror pods"),
        (mirror(nodeName="n2"), "can only create pods with spec.nodeName set to itself"),
        (mirror(serviceAccountName="x"), "can not create pods that reference a service account"),
        (
            mirror(volumes=[{"name": "v", "secret": {"secretName": "s"}}]),
            "can not create pods that reference secrets",
        ),
        (mirror(volumes=[BUNDLE]), "can not create pods that reference clustertrustbundles"),
        (
            mirror(resourceClaims=[{"name": "r", "resourceClaimName": "r"}]),
            "can not create pods that reference resourceclaims",
        ),
    ],
    ids=["plain", "elsewhere", "account", "secret", "bundle", "cve-2025-4563"],
)
async def test_only_bare_mirror_pods_are_made(body: dict[str, Any], words: str) -> None:
    async with api() as server:
        await owned(server, body)
        assert words in await server.message(PODS, body, user=NODE)


async def owned(server: Api, body: dict[str, Any], **reference: Any) -> None:
    """Make the node, if it is not there, and have the pod say that it is the node's."""
    await server("POST", NODES, {"metadata": {"name": "n1"}}, user=NODE)
    _, node = await server("GET", f"{NODES}/n1")
    owner = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": node["metadata"]["uid"], "controller": True}
    body["metadata"]["ownerReferences"] = [owner | reference]


async def test_a_mirror_pod_goes_with_its_node() -> None:
    async with api() as server:
        body = mirror()
        words = 'node "n1" can only create pods with an owner reference set to itself'
        assert words in await server.message(PODS, body, user=NODE)
        await owned(server, body, name="n2")
        assert words in await server.message(PODS, body, user=NODE)
        await owned(server, body, uid="u")
        assert "UID mismatch" in await server.message(PODS, body, user=NODE)
        await owned(server, body, controller=False)
        assert "with a controller owner reference" in await server.message(PODS, body, user=NODE)
        await owned(server, body, blockOwnerDeletion=True)
        assert "must not set blockOwnerDeletion" in await server.message(PODS, body, user=NODE)
        await owned(server, body)
        assert (await server("POST", PODS, body, user=NODE))[0] == 201


async def test_of_a_claim_only_the_sizes() -> None:
    claims = "/api/v1/namespaces/default/persistentvolumeclaims"
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    async with api() as server:
        await server.make(claims, {"metadata": {"name": "c"}, "spec": claim})
        body = pod("p")
        body["spec"] |= {"nodeName": "n1", "volumes": [volume]}
        await server.make(PODS, body)
        grown = {"status": {"capacity": {"storage": "2Gi"}}}
        assert (await server("PATCH", f"{claims}/c/status", grown, user=NODE))[0] == 200
        labelled = {"metadata": {"labels": {"a": "b"}}} | grown
        words = "is not allowed to update fields other than status.capacity and status.conditions"
        assert words in await server.message(f"{claims}/c/status", labelled, method="PATCH", user=NODE)
        assert words in await server.message(
            f"{claims}/c/status", {"status": {"phase": "Lost"}}, method="PATCH", user=NODE
        )


MIGHTY = User("system:node:n1", groups=("system:nodes", "system:masters"))
"""A node whom the authorizers stop nowhere: what is refused, the plugin refuses."""
OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
TARGET = {"target": {"kind": "Node", "name": "n1"}}
CLAIMED = {"resourceClaimStatuses": [{"name": "a", "resourceClaimName": "b"}]}
LEASE = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
CLAIM = "/api/v1/namespaces/default/persistentvolumeclaims/c"
REFUSED = {
    "a subresource": ("POST", f"{PODS}/p/binding", TARGET, "only 'status' and 'eviction' are allowed"),
    "a pod's update": ("PATCH", f"{PODS}/p", {"metadata": {"labels": {"a": "b"}}}, 'unexpected operation "UPDATE"'),
    "labels": (
        "PATCH",
        f"{PODS}/p/status",
        {"metadata": {"labels": {"a": "b"}}},
        'node "n1" cannot update labels through pod status',
    ),
    "claims": ("PATCH", f"{PODS}/p/status", {"status": CLAIMED}, 'node "n1" cannot update resource claim statues'),
    "itself": ("DELETE", f"{NODES}/n1", None, 'node "n1" is not allowed to delete itself'),
    "a claim": (
        "PATCH",
        CLAIM,
        {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
        "may only update PVC status",
    ),
    "a lease": (
        "POST",
        LEASE,
        {"metadata": {"name": "n1"}},
        'can only access leases in the "kube-node-lease" system namespace',
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_no_authorizer_need_know(what: str) -> None:
    method, path, body, words = REFUSED[what]
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    async with api() as server:
        await server.make(NODES, {"metadata": {"name": "n1"}})
        await server.make(
            "/api/v1/namespaces/default/persistentvolumeclaims", {"metadata": {"name": "c"}, "spec": claim}
        )
        unbound = pod("p")
        unbound["spec"] |= {} if what == "a subresource" else {"nodeName": "n1"}
        await server.make(PODS, unbound)
        assert words in await server.message(path, body, method=method, user=MIGHTY)


async def test_a_node_is_made_as_it_may_be() -> None:
    async with api() as server:
        owned_ = {"metadata": {"name": "n1", "ownerReferences": [OWNER]}}
        assert "is not allowed to set ownerReferences" in await server.message(NODES, owned_, user=NODE)
        labelled = {"metadata": {"name": "n1", "labels": {"node-restriction.kubernetes.io/x": "y", "a.example/b": "c"}}}
        refused = await server.message(NODES, labelled, user=NODE)
        words = "is not allowed to set the following labels: node-restriction.kubernetes.io/x"
        assert refused.endswith(f'node "n1" {words}')
        nobody = User("other", groups=("system:nodes", "system:masters"))
        refused = await server.message(NODES, {"metadata": {"name": "n1"}}, user=nobody)
        assert refused.endswith('could not determine node from user "other"')


async def test_a_mirror_pod_has_one_owner() -> None:
    async with api() as server:
        body = mirror()
        await owned(server, body)
        body["metadata"]["ownerReferences"].append(OWNER)
        words = 'node "n1" can only create pods with a single owner reference set to itself'
        assert words in await server.message(PODS, body, user=NODE)


async def bound(server: Api, node: str) -> None:
    body = pod("p")
    body["spec"]["nodeName"] = node
    await server.make(PODS, body)


async def test_pods_of_its_own_are_reported_and_deleted_and_no_others() -> None:
    phase = {"status": {"phase": "Running"}}
    async with api() as server:
        await bound(server, "n2")
        words = 'node "n1" can only update pod status for pods with spec.nodeName set to itself'
        assert words in await server.message(f"{PODS}/p/status", phase, method="PATCH", user=NODE)
        assert "can only delete pods" in await server.message(f"{PODS}/p", None, method="DELETE", user=NODE)
        await server("DELETE", f"{PODS}/p?gracePeriodSeconds=0")
        await bound(server, "n1")
        assert (await server("PATCH", f"{PODS}/p/status", phase, user=NODE))[0] == 200
        assert (await server("DELETE", f"{PODS}/p?gracePeriodSeconds=0", user=NODE))[0] == 200


async def test_its_own_lease() -> None:
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    async with api() as server:
        assert (await server("POST", leases, {"metadata": {"name": "n1"}}, user=NODE))[0] == 201
        words = "can only access node lease with the same name as the requesting node"
        assert words in await server.message(leases, {"metadata": {"name": "n2"}}, user=NODE)


async def test_its_own_csi_node_and_its_own_slices() -> None:
    nodes, slices = "/apis/storage.k8s.io/v1/csinodes", "/apis/resource.k8s.io/v1/resourceslices"

    def piece(node: str) -> dict[str, Any]:
        pool = {"name": "p", "generation": 1, "resourceSliceCount": 1}
        return {"metadata": {"name": node}, "spec": {"driver": "d.example", "nodeName": node, "pool": pool}}

    async with api() as server:
        for path, body in ((nodes, {"metadata": {"name": "n1"}, "spec": {"drivers": []}}), (slices, piece("n1"))):
            assert (await server("POST", path, body, user=NODE))[0] == 201
        words = "can only access CSINode with the same name as the requesting node"
        assert words in await server.message(nodes, {"metadata": {"name": "n2"}, "spec": {"drivers": []}}, user=NODE)
        words = "can only create ResourceSlice with the same NodeName as the requesting node"
        assert words in await server.message(slices, piece("n2"), user=NODE)
        await server.make(slices, piece("n2"))
        refused = await server.message(f"{slices}/n2", None, method="DELETE", user=NODE)
        assert "no relationship found between node 'n1' and this object" in refused
        assert (await server("DELETE", f"{slices}/n1", user=NODE))[0] == 200


def signing(name: str, signer: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    pairs = [(NameOID.COMMON_NAME, name), (NameOID.ORGANIZATION_NAME, "system:nodes")]
    subject = x509.Name([x509.NameAttribute(*pair) for pair in pairs])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    pem = b64encode(request.public_bytes(serialization.Encoding.PEM)).decode()
    return {"metadata": {"generateName": "r-"}, "spec": {"request": pem, "signerName": signer, "usages": ["any"]}}


@pytest.mark.parametrize("signer", ["kubelet-serving", "kube-apiserver-client-kubelet"])
async def test_certificates_are_asked_for_in_its_own_name_only(signer: str) -> None:
    requests, signer = "/apis/certificates.k8s.io/v1/certificatesigningrequests", f"kubernetes.io/{signer}"
    async with api() as server:
        assert (await server("POST", requests, signing("system:node:n1", signer), user=NODE))[0] == 201
        words = "can only create a node CSR with CN=system:node:n1"
        assert words in await server.message(requests, signing("system:node:n2", signer), user=NODE)
        elsewhere = signing("other", "kubernetes.io/kube-apiserver-client")
        assert (await server("POST", requests, elsewhere, user=NODE))[0] == 201
        broken = signing("system:node:n1", signer)
        broken["spec"]["request"] = b64encode(b"-----BEGIN CERTIFICATE REQUEST-----\n").decode()
        assert "unable to parse csr" in await server.message(requests, broken, user=NODE)


async def test_it_evicts_its_own_pods_and_no_others() -> None:
    async with api() as server:
        await bound(server, "n2")
        refused = await server.message(f"{PODS}/p/eviction", {"metadata": {"name": "p"}}, user=NODE)
        assert "can only evict pods with spec.nodeName set to itself" in refused


async def test_a_token_is_bound_to_a_pod_of_the_nodes_own(tmp_path: Path) -> None:
    async with api(service_account_key=tokenkeys.ensure(tmp_path)) as server:
        await server.make("/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "bot"}})
        body = pod("p")
        volume = {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}
        body["spec"] |= {"nodeName": "n1", "serviceAccountName": "bot", "volumes": [volume]}
        uid = (await server.make(PODS, body))["metadata"]["uid"]
        path = "/api/v1/namespaces/default/serviceaccounts/bot/token"
        assert "not bound to a pod" in await server.message(path, {"spec": {}}, user=NODE)
        bound_to = {"kind": "Pod", "apiVersion": "v1", "name": "p"}
        assert "without a uid" in await server.message(path, {"spec": {"boundObjectRef": bound_to}}, user=NODE)
        whole = {"spec": {"boundObjectRef": bound_to | {"uid": uid}}}
        assert (await server("POST", path, whole, user=NODE))[0] == 201
        elsewhere = {"spec": {**whole["spec"], "audiences": ["vault"]}}
        assert 'audience "vault" not found in pod spec volume' in await server.message(path, elsewhere, user=NODE)
        several = {"spec": {**whole["spec"], "audiences": ["a", "b"]}}
        assert "may only request 0 or 1 audiences" in await server.message(path, several, user=NODE)
        other = User("system:node:n2", groups=("system:nodes",))
        assert "no relationship found" in await server.message(path, whole, user=other)
