"""Plugins of one rule each."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.apiserver.auth.user import User
from tests.unit.apiserver.admission.harness import Api, api, pod

PLACE = "/api/v1/namespaces/default"
CERTIFICATES = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
EVE = User("eve", groups=("system:authenticated",))
CLIENT = "kubernetes.io/kube-apiserver-client"


async def allow(server: Api, *rules: dict[str, Any]) -> None:
    """Let eve do what the rules say, everywhere."""
    await server.make(f"{RBAC}/clusterroles", {"metadata": {"name": "eves"}, "rules": list(rules)})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "eves"}
    subject = {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}
    body = {"metadata": {"name": "eves"}, "roleRef": reference, "subjects": [subject]}
    await server.make(f"{RBAC}/clusterrolebindings", body)


def rule(verb: str, resource: str, group: str = "") -> dict[str, Any]:
    return {"verbs": [verb], "apiGroups": [group], "resources": [resource]}


def request(organization: str = "devs", signer: str = CLIENT) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = [(NameOID.COMMON_NAME, "joe"), (NameOID.ORGANIZATION_NAME, organization)]
    name = x509.Name([x509.NameAttribute(which, value) for which, value in subject])
    pem = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    encoded = base64.b64encode(pem.public_bytes(serialization.Encoding.PEM)).decode()
    spec = {"request": encoded, "signerName": signer, "usages": ["client auth"]}
    return {"metadata": {"name": "c"}, "spec": spec}


async def test_approving_needs_the_signer() -> None:
    now = "2026-01-01T00:00:00Z"
    condition = {"type": "Approved", "status": "True", "reason": "r", "message": "m", "lastUpdateTime": now}
    async with api() as server:
        made = await server.make(CERTIFICATES, request())
        await allow(server, rule("update", "certificatesigningrequests/approval", "certificates.k8s.io"))
        made["status"] = {"conditions": [condition]}
        refused = await server.message(f"{CERTIFICATES}/c/approval", made, method="PUT", user=EVE)
        assert refused.endswith(f'user not permitted to approve requests with signerName "{CLIENT}"')
        role = {"rules": [rule("update", "certificatesigningrequests/approval", "certificates.k8s.io")]}
        role["rules"].append(rule("approve", "signers", "certificates.k8s.io") | {"resourceNames": ["kubernetes.io/*"]})
        await server("PATCH", f"{RBAC}/clusterroles/eves", role)
        status, answer = await server("PUT", f"{CERTIFICATES}/c/approval", made, user=EVE)
        assert status == 200, answer


async def test_signing_needs_the_signer() -> None:
    """Whoever puts in the certificate, and whoever says that there will be none."""
    now = "2026-01-01T00:00:00Z"
    failed = {"type": "Failed", "status": "True", "reason": "r", "message": "m", "lastUpdateTime": now}
    status = rule("update", "certificatesigningrequests/status", "certificates.k8s.io")
    async with api() as server:
        made = await server.make(CERTIFICATES, request())
        await allow(server, status)
        made["status"] = {"conditions": [failed]}
        refused = await server.message(f"{CERTIFICATES}/c/status", made, method="PUT", user=EVE)
        assert refused.endswith(f'user not permitted to sign requests with signerName "{CLIENT}"')
        signer = rule("sign", "signers", "certificates.k8s.io") | {"resourceNames": [CLIENT]}
        await server("PATCH", f"{RBAC}/clusterroles/eves", {"rules": [status, signer]})
        assert (await server("PUT", f"{CERTIFICATES}/c/status", made, user=EVE))[0] == 200


async def test_nobody_asks_for_the_administrators_group() -> None:
    async with api() as server:
        refused = await server.message(CERTIFICATES, request("system:masters"))
        assert refused.endswith(f"use of {CLIENT} signer with system:masters group is not allowed")
        assert (await server("POST", CERTIFICATES, request("system:masters", "a.example/other")))[0] == 201


async def test_owners_are_set_by_those_who_may_delete() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    change = {"metadata": {"ownerReferences": [owner]}}
    async with api(enable_plugins=("OwnerReferencesPermissionEnforcement",)) as server:
        await server.make(f"{PLACE}/configmaps", {"metadata": {"name": "a"}})
        await allow(server, rule("patch", "configmaps"))
        refused = await server.message(f"{PLACE}/configmaps/a", change, method="PATCH", user=EVE)
        assert "cannot set an ownerRef on a resource you can't delete" in refused
        await server("PATCH", f"{RBAC}/clusterroles/eves", {"rules": [rule("*", "configmaps")]})
        blocking = {"metadata": {"ownerReferences": [owner | {"blockOwnerDeletion": True}]}}
        refused = await server.message(f"{PLACE}/configmaps/a", blocking, method="PATCH", user=EVE)
        assert (
            "cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers"
            in refused
        )
        unknown = owner | {"apiVersion": "a.example/v1", "kind": "Lost", "blockOwnerDeletion": True}
        change_ = {"metadata": {"ownerReferences": [unknown]}}
        refused = await server.message(f"{PLACE}/configmaps/a", change_, method="PATCH", user=EVE)
        assert refused.endswith("cannot find RESTMapping for APIVersion a.example/v1 Kind Lost")
        assert (await server("PATCH", f"{PLACE}/configmaps/a", change, user=EVE))[0] == 200


async def test_owners_are_not_set_by_way_of_a_status() -> None:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u"}
    change = {"metadata": {"ownerReferences": [owner]}}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    async with api(enable_plugins=("OwnerReferencesPermissionEnforcement",)) as server:
        await server.make(budgets, {"metadata": {"name": "b"}, "spec": {"minAvailable": 1}})
        await allow(server, rule("patch", "poddisruptionbudgets/status", "policy"))
        refused = await server.message(f"{budgets}/b/status", change, method="PATCH", user=EVE)
        assert "cannot set an ownerRef on a resource you can't delete" in refused
        await server(
            "PATCH", f"{RBAC}/clusterroles/eves", {"rules": [rule("*", "poddisruptionbudgets/status", "policy")]}
        )
        status, changed = await server("PATCH", f"{budgets}/b/status", change, user=EVE)
        assert (status, changed["metadata"]["ownerReferences"]) == (200, [owner])


async def test_images_are_always_pulled() -> None:
    async with api(enable_plugins=("AlwaysPullImages",)) as server:
        made = await server.make(f"{PLACE}/pods", pod("p", imagePullPolicy="Never"))
    assert made["spec"]["containers"][0]["imagePullPolicy"] == "Always"


async def test_external_addresses_are_denied() -> None:
    """CVE-2020-8554."""
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "externalIPs": ["192.0.2.9"]}}
    async with api(enable_plugins=("DenyServiceExternalIPs",)) as server:
        assert "Use of external IPs is denied" in await server.message(f"{PLACE}/services", body)
    async with api() as server:
        await server.make(f"{PLACE}/services", body)


async def test_pods_tolerate_the_taint_of_what_they_ask_for() -> None:
    resources = {"requests": {"acme.com/gpu": "1"}, "limits": {"acme.com/gpu": "1"}}
    async with api(enable_plugins=("ExtendedResourceToleration",)) as server:
        made = await server.make(f"{PLACE}/pods", pod("p", resources=resources))
    assert {"key": "acme.com/gpu", "operator": "Exists"} in made["spec"]["tolerations"]


@pytest.mark.parametrize("expands, status", [(True, 200), (False, 403)])
async def test_claims_grow_where_their_class_lets_them(expands: bool, status: int) -> None:
    class_ = {"metadata": {"name": "c"}, "provisioner": "p", "allowVolumeExpansion": expands}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "c", "resources": {"requests": {"storage": "1Gi"}}}
    path = f"{PLACE}/persistentvolumeclaims"
    async with api() as server:
        await server.make("/apis/storage.k8s.io/v1/storageclasses", class_)
        await server.make(path, {"metadata": {"name": "d"}, "spec": spec | {"volumeName": "v"}})
        grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
        await server("PATCH", f"{path}/d/status", {"status": {"phase": "Bound"}})
        assert (await server("PATCH", f"{path}/d", grown))[0] == status


async def test_how_long_pods_stay_on_a_node_that_is_lost() -> None:
    own = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}
    body = pod("q")
    body["spec"]["tolerations"] = [own]
    async with api(not_ready_seconds=7, unreachable_seconds=0) as server:
        plain = (await server.make(f"{PLACE}/pods", pod("p")))["spec"]["tolerations"]
        said = (await server.make(f"{PLACE}/pods", body))["spec"]["tolerations"]
    assert [(one["key"].rpartition("/")[2], one["tolerationSeconds"]) for one in plain] == [
        ("not-ready", 7),
        ("unreachable", 0),
    ]
    assert said[0] == own and len(said) == 2


async def test_hard_anti_affinity_is_by_node_only() -> None:
    def apart(name: str, key: str) -> dict[str, Any]:
        body = pod(name)
        term = {"topologyKey": key, "labelSelector": {"matchLabels": {"a": "b"}}}
        body["spec"]["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
        return body

    async with api(enable_plugins=("LimitPodHardAntiAffinityTopology",)) as server:
        refused = await server.message(f"{PLACE}/pods", apart("p", "topology.kubernetes.io/zone"))
        assert refused.endswith(
            "has TopologyKey topology.kubernetes.io/zone but only key kubernetes.io/hostname is allowed"
        )
        await server.make(f"{PLACE}/pods", apart("p", "kubernetes.io/hostname"))


async def test_nothing_may_be_written_where_everything_is_denied() -> None:
    async with api(enable_plugins=("AlwaysDeny", "AlwaysAdmit")) as server:
        body = {"metadata": {"name": "c"}}
        assert "denying all modifications" in await server.message(f"{PLACE}/configmaps", body)
        assert (await server("GET", f"{PLACE}/configmaps"))[0] == 200


async def test_a_pod_gets_its_nodes_zone_and_region() -> None:
    labels = {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r", "disk": "ssd"}
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
    async with api() as server:
        await server.make("/api/v1/nodes", {"metadata": {"name": "n", "labels": labels}})
        await server.make(f"{PLACE}/pods", pod("p", metadata={"labels": {"topology.kubernetes.io/zone": "mine"}}))
        assert (await server("POST", f"{PLACE}/pods/p/binding", binding))[0] == 201
        bound = (await server("GET", f"{PLACE}/pods/p"))[1]["metadata"]["labels"]
        named = pod("q", metadata={"labels": {"topology.kubernetes.io/zone": "mine"}})
        named["spec"]["nodeName"] = "n"
        made = (await server.make(f"{PLACE}/pods", named))["metadata"]["labels"]
    assert bound == {"topology.kubernetes.io/zone": "z", "topology.kubernetes.io/region": "r"}
    assert made == {"topology.kubernetes.io/zone": "mine", "topology.kubernetes.io/region": "r"}


@pytest.mark.parametrize(
    "system, wanted, status, cause",
    [
        ("linux", "2", 200, None),
        ("linux", "5", 403, "NodeCapacity"),
        ("windows", "2", 403, "UnsupportedPlatform"),
    ],
)
async def test_a_pod_grows_as_far_as_its_node_reaches(system: str, wanted: str, status: int, cause: str | None) -> None:
    node = {"metadata": {"name": "n", "labels": {"kubernetes.io/os": system}}}
    body = pod("p", resources={"requests": {"cpu": "1"}})
    body["spec"]["nodeName"] = "n"
    grown = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": wanted}}}]}}
    async with api() as server:
        await server.make("/api/v1/nodes", node)
        there = {"status": {"allocatable": {"cpu": "4", "memory": "8Gi"}}}
        await server("PATCH", "/api/v1/nodes/n/status", there)
        made = await server.make(f"{PLACE}/pods", body)
        made["spec"]["containers"][0]["resources"] = grown["spec"]["containers"][0]["resources"]
        answer = await server("PUT", f"{PLACE}/pods/p/resize", made)
    assert answer[0] == status, answer[1]
    assert cause is None or answer[1]["details"]["causes"] == [{"reason": cause}]


def anchor() -> str:
    """A certificate that signs others, and itself."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime(2026, 1, 1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anchor")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=9999))
    authority = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return authority.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


async def test_publishing_a_signers_anchors_needs_the_signer() -> None:
    everything = {"apiGroups": ["certificates.k8s.io"], "resources": ["clustertrustbundles"], "verbs": ["*"]}
    signer = {"apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "verbs": ["attest"]}
    plugin = "ClusterTrustBundleAttest"
    async with api() as server:
        assert plugin in server.server.admission.names
        bundles = "/apis/certificates.k8s.io/v1beta1/clustertrustbundles"
        await allow(server, everything, signer | {"resourceNames": ["example.com/mine"]})
        for name, refused in (("other", True), ("mine", False)):
            spec = {"signerName": f"example.com/{name}", "trustBundle": anchor()}
            body = {"metadata": {"name": f"example.com:{name}:x"}, "spec": spec}
            status, answer = await server("POST", bundles, body, user=EVE)
            words = f'user not permitted to attest for signerName "example.com/{name}"'
            assert (words in answer.get("message", "")) is refused, (status, answer)
