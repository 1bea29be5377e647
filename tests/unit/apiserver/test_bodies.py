"""Reading bodies: messages for what cannot be read, base64, duplicates, continue tokens."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.api.errors import BadRequest
from sampan.api.registry import builtin
from sampan.apiserver import continuation, decode, encodedbytes, mistyped
from sampan.codec import json

POD, SECRET = builtin().kind("v1", "Pod"), builtin().kind("v1", "Secret")


@pytest.mark.parametrize(
    "body, message",
    [
        (b'{"spec":{"containers":{}}}', "PodSpec.spec.containers of type []v1.Container"),
        (b'{"metadata":{"labels":{"a":1}}}', "ObjectMeta.metadata.labels of type string"),
        (
            b'{"spec":{"containers":[{"ports":[{"protocol":1}]}]}}',
            "ContainerPort.spec.containers.ports.protocol of type v1.Protocol",
        ),
        (
            b'{"spec":{"volumes":[{"emptyDir":[]}]}}',
            "Volume.spec.volumes.VolumeSource.emptyDir of type v1.EmptyDirVolumeSource",
        ),
        (
            b'{"spec":{"priority":3000000000}}',
            "cannot unmarshal number 3000000000 into Go struct field PodSpec.spec.priority",
        ),
        (b'{"apiVersion":5}', "cannot unmarshal number into Go struct field .apiVersion of type string"),
        (b'{"kind":"Odd"}', 'no kind "Odd" is registered for version "v1"'),
        (b"[]", "couldn't get version/kind; json parse error: json: cannot unmarshal array"),
        (b"", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b"nonsense", "couldn't get version/kind"),
        (b"[" * 100_000, "max depth"),
        (b'{"metadata":{"name":"\xff"}}', "json parse error"),
    ],
)
def test_messages(body: bytes, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        decode.typed(POD, body)
    assert message in refused.value.message


@given(st.binary(max_size=60))
def test_base64_is_accepted(data: bytes) -> None:
    assert encodedbytes.wrong_at(base64.b64encode(data).decode()) is None


@pytest.mark.parametrize("text, at", [("dmFsdWU=x", 8), ("UPPER_case!", 5), ("-bad-", 0), ("abc", 3), ("a", 1)])
def test_base64_is_refused_where_it_ends(text: str, at: int) -> None:
    assert encodedbytes.wrong_at(text) == at


def test_only_kinds_with_bytes_are_checked() -> None:
    with pytest.raises(BadRequest, match="illegal base64 data at input byte 0"):
        decode.typed(SECRET, b'{"data":{"k":"-"}}')
    assert encodedbytes._check(POD.struct) is None


@given(st.lists(st.tuples(st.sampled_from(["a", "b", 'q"', "é"]), st.text(max_size=5)), max_size=4))
def test_duplicates_are_never_missed(pairs: list[tuple[str, str]]) -> None:
    body = b"{" + b",".join(json.encode(k) + b": " + json.encode(v) for k, v in pairs) + b"}"
    if len({k for k, _ in pairs}) < len(pairs):
        assert mistyped.may_have_duplicates(body)
        assert json.duplicates(body)


@pytest.mark.parametrize(
    "body, repeated",
    [
        (b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"spec":{"containers":[{"name":"c:d"}]}}', False),
        (b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a", "creationTimestamp":null},"status":{}}', False),
        (b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","name":"b"}}', True),
        (b'{"kind":"Pod","apiVersion":"v1","metadata":{"name" : "a","name":"b"}}', True),
        (b'{"kind":"Pod","apiVersion":"v1","metadata":{"labels":{"a":"1","a":"1"}}}', True),
        (b'{"apiVersion": "v1", "kind": "Pod", "spec":{"priority":1},"spec":null}', True),
        (b'{"kind":"Pod","apiVersion":"v1","metadata":{"managedFields":[{"fieldsV1":{"f:a":{},"f:a":{}}}]}}', True),
        (b'{"metadata":{"labels":{"a":"1","a":"1","b":"2","b":"2"}}}', True),
        (b'{"kind":"Pod","metadata":{"labels":{"a":"1","a":"1"}}}', True),
        (b'{"kind":"Pod","kind":"Pod","apiVersion":"v1"}', True),
    ],
)
def test_what_was_decoded_tells_of_duplicates(body: bytes, repeated: bool) -> None:
    assert mistyped.may_have_duplicates(body, POD.decode(body)) is repeated


@given(st.integers(-1, 2**62), st.from_regex(r"[a-z0-9.-]{1,20}/[a-z0-9.-]{1,20}", fullmatch=True))
def test_tokens_come_back(revision: int, after: str) -> None:
    if ".." in after.split("/"):
        return
    assert continuation.decode(continuation.encode(revision, after)) == (revision, after)


@given(st.text(max_size=40))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        continuation.decode(text)
