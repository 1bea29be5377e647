"""Every kind in every version goes through every verb: what a client gets wherever kinds do not differ.

The objects are those of `every_kind.yaml`, each enlarged by all the server takes of the largest object of its kind
(`shared/reference/roundtrip`, one with every field filled; without it the small ones go).
"""

from __future__ import annotations

import base64
import copy
import datetime
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sampan.api import registry
from sampan.apiserver import deprecations, policies

from .conftest import Api, Lasting

LARGEST = Path(__file__).parents[2].parent / "shared" / "reference" / "roundtrip"
SMALL: dict[str, Any] = yaml.safe_load((Path(__file__).parent / "every_kind.yaml").read_text())
KINDS = [k for k in registry.builtin().kinds() if "create" in k.verbs and "get" in k.verbs]
PATCHES = {
    "json": ("application/json-patch+json", [{"op": "add", "path": "/metadata/labels/json", "value": "yes"}]),
    "merge": ("application/merge-patch+json", {"metadata": {"labels": {"merge": "yes"}}}),
    "strategic": ("application/strategic-merge-patch+json", {"metadata": {"labels": {"strategic": "yes"}}}),
}
APPLY = "application/apply-patch+yaml"
SOON_SECONDS = 60
STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


def label(kind: registry.Kind) -> str:
    return f"{kind.group or 'core'}.{kind.version}.{kind.kind}"


def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signing_request() -> x509.CertificateSigningRequest:
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key(), hashes.SHA256())


def authority() -> str:
    """A certificate that may sign others, in PEM."""
    mine, name = key(), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
    begin = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(mine.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(mine, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture(scope="module")
def small() -> dict[str, Any]:
    """The small objects with what cannot be written down in them."""
    request = signing_request()
    pem, der = (request.public_bytes(e) for e in (serialization.Encoding.PEM, serialization.Encoding.DER))
    text = json.dumps(SMALL)
    text = text.replace("SIGNING_REQUEST_DER", base64.b64encode(der).decode())
    text = text.replace("SIGNING_REQUEST", base64.b64encode(pem).decode())
    return json.loads(text.replace('"AUTHORITY"', json.dumps(authority())))


def test_every_kind_has_an_object() -> None:
    assert {f"{k.group}/{k.kind}" for k in KINDS} == set(SMALL)


def begun(small: dict[str, Any], kind: registry.Kind, namespace: str) -> dict[str, Any]:
    """A small object of a kind, in its version, with a name of its own."""
    fields = json.loads(json.dumps(small[f"{kind.group}/{kind.kind}"]).replace("NAMESPACE", namespace))
    name = fields.pop("name", f"x-{kind.version}-{namespace}")
    metadata = {"name": name, "labels": {"first": "yes"}}
    if kind.namespaced:
        metadata["namespace"] = namespace
    if kind.version == "v1beta1" and kind.group == "resource.k8s.io" and kind.kind == "ResourceSlice":
        fields["spec"].pop("perDeviceNodeSelection", None)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **fields}


def largest(kind: registry.Kind) -> dict[str, Any]:
    path = LARGEST / f"{kind.group or 'core'}.{kind.version}.{kind.kind}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def merged(base: Any, more: Any) -> Any:
    """What `more` says beside `base`, which wins."""
    if isinstance(base, dict) and isinstance(more, dict):
        return {**more, **{k: merged(v, more[k]) if k in more else v for k, v in base.items()}}
    if isinstance(base, list) and isinstance(more, list) and base and more:
        return [merged(base[0], more[0]), *base[1:]]
    return base


def without(document: Any, base: Any, path: str) -> bool:
    """Takes out of `document`, in place, the field that a path names, or the nearest above it that `base` does not
    need. False when there is none."""
    steps = [a or b for a, b in STEP.findall(path)]
    while steps:
        if not _found(base, steps) and _remove(document, steps):
            return True
        steps.pop()
    return False


def _found(document: Any, steps: list[str]) -> bool:
    for step in steps:
        if isinstance(document, list) and step.isdigit() and int(step) < len(document):
            document = document[int(step)]
        elif isinstance(document, dict) and step in document:
            document = document[step]
        else:
            return False
    return True


def _remove(document: Any, steps: list[str]) -> bool:
    if not _found(document, steps):
        return False
    for step in steps[:-1]:
        document = document[int(step)] if isinstance(document, list) else document[step]
    del document[int(steps[-1]) if isinstance(document, list) else steps[-1]]
    return True


def accepted(api: Api, path: str, kind: registry.Kind, base: dict[str, Any]) -> dict[str, Any]:
    """The largest object of its kind that the server takes: what it refuses is taken out, path by path."""
    wanted = merged(base, {k: v for k, v in largest(kind).items() if k not in ("metadata", "status")})
    for _ in range(200):
        answer = api("POST", f"{path}?dryRun=All", wanted)
        if answer.status == 201:
            return wanted
        assert answer.status in (422, 400, 403), answer.body
        causes = [c["field"] for c in (answer.body.get("details") or {}).get("causes") or ()]
        removed = [without(wanted, base, cause) for cause in causes]
        if not any(removed):
            spare = [k for k in wanted.get("spec", {}) if k not in base.get("spec", {})]
            if not spare:
                return base
            del wanted["spec"][next((k for k in spare if k in answer.body["message"]), spare[0])]
    raise AssertionError(f"never accepted: {answer.body}")


def collection(kind: registry.Kind, namespace: str) -> str:
    prefix = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    return f"{prefix}/namespaces/{namespace}/{kind.plural}" if kind.namespaced else f"{prefix}/{kind.plural}"


@pytest.mark.parametrize("kind", KINDS, ids=label)
def test_every_verb(lasting: Lasting, namespace: str, small: dict[str, Any], kind: registry.Kind) -> None:
    api, path = lasting, collection(kind, namespace)
    document = accepted(api, path, kind, begun(small, kind, namespace))
    name = document["metadata"]["name"]
    created = api("POST", f"{path}?fieldValidation=Strict", document)
    assert created.status == 201, created.body
    told = deprecations.KINDS.get((kind.group, kind.version, kind.plural))
    assert told is None or any(told in w for w in created.warnings)
    obj = settled(api, f"{path}/{name}", kind, created.body)
    assert (obj["kind"], obj["apiVersion"]) == (kind.kind, kind.api_version)
    assert keeps(obj, document), (document, obj)
    assert api("GET", f"{path}/{name}").body == obj
    assert api("POST", path, document).body["reason"] == "AlreadyExists"
    update(api, path, kind, obj)
    patch(api, f"{path}/{name}", kind)
    status(api, f"{path}/{name}", kind)
    end(api, f"{path}/{name}", kind)


def settled(api: Api, path: str, kind: registry.Kind, obj: dict[str, Any]) -> dict[str, Any]:
    """The object with what servers write into it by themselves soon after it has come: whether a flow schema leads
    anywhere."""
    deadline = time.monotonic() + SOON_SECONDS
    while kind.kind == "FlowSchema" and "conditions" not in obj["status"]:
        assert time.monotonic() < deadline, obj
        obj = api("GET", path).body
    return obj


def keeps(have: dict[str, Any], sent: dict[str, Any]) -> bool:
    """Whether what was sent of the top-level fields is there, but for what the server writes in its own way."""
    return all(name in have or not value for name, value in sent.items() if name not in ("status", "stringData"))


def update(api: Api, path: str, kind: registry.Kind, obj: dict[str, Any]) -> None:
    """A PUT of what is there changes nothing; one without a version is a matter of the kind; an old version loses."""
    name = obj["metadata"]["name"]
    same = api("PUT", f"{path}/{name}", obj)
    assert (same.status, same.body) == (200, obj)
    changed = copy.deepcopy(obj)
    changed["metadata"].setdefault("labels", {})["second"] = "yes"
    second = api("PUT", f"{path}/{name}", changed)
    assert second.status == 200, second.body
    assert second.body["metadata"]["labels"]["second"] == "yes"
    assert api("PUT", f"{path}/{name}", obj).body["reason"] == "Conflict"
    del changed["metadata"]["resourceVersion"]
    without_version = api("PUT", f"{path}/{name}", changed)
    if policies.unconditional_update(kind):
        assert without_version.status == 200, without_version.body
    else:
        assert [c["field"] for c in without_version.body["details"]["causes"]] == ["metadata.resourceVersion"]
    absent = {**changed, "metadata": {"name": f"{name}0", "namespace": obj["metadata"].get("namespace")}}
    made = api("PUT", f"{path}/{name}0?dryRun=All", absent)
    allowed = (201, 422) if policies.create_on_update(kind) else (404,)
    assert made.status in allowed, made.body


def patch(api: Api, path: str, kind: registry.Kind) -> None:
    for manager, (content_type, body) in PATCHES.items():
        answer = api("PATCH", f"{path}?fieldManager={manager}", body, content_type=content_type)
        assert answer.status == 200, answer.body
        assert answer.body["metadata"]["labels"][manager] == "yes"
    applied = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"labels": {"apply": "yes"}}}
    applied["metadata"]["name"] = path.rpartition("/")[2]
    body = json.dumps(applied).encode()
    answer = api("PATCH", f"{path}?fieldManager=apply", body, content_type=APPLY)
    assert answer.status == 200, answer.body
    owners = {(e["manager"], e["operation"], e["apiVersion"]) for e in answer.body["metadata"]["managedFields"]}
    assert {(m, "Update", kind.api_version) for m in PATCHES} | {("apply", "Apply", kind.api_version)} <= owners


def status(api: Api, path: str, kind: registry.Kind) -> None:
    """The status endpoint takes the status and leaves the rest; what it refuses, it refuses by field."""
    if "status" not in kind.subresources:
        assert api("GET", f"{path}/status").status == 404
        return
    before = api("GET", f"{path}/status").body
    wanted = largest(kind).get("status") or {}
    body = {**before, "status": wanted, "spec": {}} if "spec" in before else {**before, "status": wanted}
    for _ in range(100):
        answer = api("PUT", f"{path}/status?dryRun=All", body)
        if answer.status != 422:
            break
        causes = [c["field"] for c in answer.body["details"]["causes"]]
        removed = [without(body, {}, cause) for cause in causes if cause.startswith("status")]
        if not any(removed):
            break
    assert answer.status in (200, 422, 400), answer.body
    if answer.status == 200:
        assert answer.body.get("spec") == before.get("spec")
        assert answer.body["metadata"].get("generation") == before["metadata"].get("generation")


def end(api: Api, path: str, kind: registry.Kind) -> None:
    """Gone at once, or marked and held by what the server itself put there."""
    assert api("DELETE", f"{path}?dryRun=All").status == 200
    assert api("GET", path).status == 200
    assert api("DELETE", path).status == 200
    held = api("GET", path)
    if held.status == 200 and kind.kind != "Namespace":
        assert held.body["metadata"]["deletionTimestamp"]
        free = {"metadata": {"finalizers": None}}
        assert api("PATCH", path, free, content_type="application/merge-patch+json").status == 200
        held = api("GET", path)
    assert held.status == (200 if kind.kind == "Namespace" else 404)
