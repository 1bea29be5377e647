"""Protobuf bodies: one that kubectl 1.32 sent, the small messages JSON writes otherwise, and hostile bytes."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api import schema
from sampan.api.kinds import apps_v1
from sampan.codec import protobuf
from sampan.codec.errors import CodecError
from sampan.codec.protobuf import leaves, plan

from .messages import block, body, whole

CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")

# kubectl create deployment web --image=nginx:1 --port=80 --replicas=2
DEPLOYMENT = bytes.fromhex(
    "6b3873000a150a07617070732f7631120a4465706c6f796d656e7412ba010a1f0a0377656212001a0022002a003200380042"
    "005a0a0a0361707012037765621288010802120c0a0a0a0361707012037765621a6e0a1c0a0012001a0022002a0032003800"
    "42005a0a0a036170701203776562124e12300a056e67696e7812076e67696e783a312a00320a0a001000185022002a004200"
    "6a007200800100880100900100a201001a00320042004a0052005800600068008201008a01009a0100c2010022020a002800"
    "38001a0c0800100018002000280038001a002200"
)


def test_a_deployment_as_kubectl_sends_it() -> None:
    value = protobuf.decode(DEPLOYMENT)
    deployment = msgspec.convert(value, apps_v1.Deployment)
    assert (deployment.kind, deployment.apiVersion, deployment.metadata.name) == ("Deployment", "apps/v1", "web")
    assert deployment.spec.replicas == 2 and deployment.spec.selector.matchLabels == {"app": "web"}
    (container,) = deployment.spec.template.spec.containers
    assert (container.name, container.image) == ("nginx", "nginx:1")
    assert container.ports[0].containerPort == 80


def test_embedded_structs_are_flat_in_json() -> None:
    """A Volume's source is a message of its own in protobuf, and part of the Volume in JSON."""
    empty_dir = block(1, b"Memory") + block(2, block(1, b"64Mi"))
    volume = block(1, b"scratch") + block(2, block(2, empty_dir))
    pod = protobuf.decode(body("v1", "Pod", block(2, block(1, volume))))
    assert pod["spec"]["volumes"] == [{"name": "scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}}]


def test_maps_bytes_and_signed_integers() -> None:
    secret = block(2, block(1, b"a") + block(2, b"\x00\xff"))
    assert protobuf.decode(body("v1", "Secret", secret))["data"] == {"a": "AP8="}
    spec = whole(25, -5)
    assert protobuf.decode(body("v1", "Pod", block(2, spec)))["spec"] == {"priority": -5}


def test_small_messages() -> None:
    assert leaves.int_or_string(whole(1, 0) + whole(2, 8080)) == 8080
    assert leaves.int_or_string(whole(1, 1) + block(3, b"25%")) == "25%"
    assert leaves.time(whole(1, 1767225600)) == "2026-01-01T00:00:00Z"
    assert leaves.time(b"") is None
    assert leaves.micro_time(whole(1, 1767225600) + whole(2, 1500)) == "2026-01-01T00:00:00.000001Z"
    assert leaves.raw_json(block(1, b'{"f:a":{}}')) == {"f:a": {}}
    assert leaves.raw_json(b"") is None and leaves.raw_json(block(1, b"")) is None


@pytest.mark.parametrize(
    ("leaf", "value"),
    [
        ("byte", 7),
        ("RawExtension", whole(1, 7)),
        ("RawExtension", block(1, b"{")),
        ("RawExtension", block(1, b"[" * 100_000)),
        ("Time", whole(1, 1 << 62)),
        ("MicroTime", whole(1, 1 << 62)),
        ("string", 7),
        ("string", b"\xff"),
        ("integer", b"7"),
        ("number", 7),
        ("Quantity", b"\x0a"),
    ],
)
def test_small_messages_that_hold_something_else_are_refused(leaf: str, value: object) -> None:
    with pytest.raises(CodecError):
        leaves.LEAVES[leaf](value)


def test_zero_values_that_json_leaves_out_are_left_out() -> None:
    """Go sends what it holds by value always, and a pointer only when it is set."""
    container = block(1, "web") + block(2, "") + whole(16, 0) + whole(18, 1)
    spec = block(2, container) + whole(11, 0) + whole(21, 0) + block(16, "")
    pod = protobuf.decode(body("v1", "Pod", block(2, spec)))
    assert pod["spec"] == {"containers": [{"name": "web", "tty": True}], "automountServiceAccountToken": False}


def test_what_is_not_known_is_refused_and_not_dropped() -> None:
    with pytest.raises(CodecError, match="field number 999"):
        protobuf.decode(body("v1", "Pod", whole(999, 1)))
    with pytest.raises(CodecError, match='no kind "Nope"'):
        protobuf.decode(body("v1", "Nope", b""))
    with pytest.raises(CodecError, match="expected prefix k8s"):
        protobuf.decode(b"{}")


def test_every_number_names_a_field_of_the_schema() -> None:
    """The tables and the schema agree: making a plan looks up every field."""
    known = [d for d in schema.load().types if plan.of(d) is not None]
    assert len(known) > 600


@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    for hostile in (protobuf.MAGIC + data, body("v1", "Pod", data), body(*CRD, data)):
        try:
            assert protobuf.decode(hostile)
        except CodecError as error:
            assert str(error)


def test_deep_nesting_is_refused() -> None:
    content = b""
    for _ in range(200):
        content = block(1, content)
    with pytest.raises(CodecError):
        protobuf.decode(body("v1", "Pod", content))
