"""Which form of an answer a client gets."""

from __future__ import annotations

import pytest

from sampan.api.errors import NotAcceptable, UnsupportedMediaType
from sampan.apiserver.negotiation import JSON, YAML, Form, accepted, sent

TABLE = b"application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize(
    "accept, wanted",
    [
        (b"", Form()),
        (b"*/*", Form()),
        (b"application/json", Form()),
        (b"application/vnd.kubernetes.protobuf, application/json;q=0.5", Form()),
        (b"application/yaml", Form(YAML)),
        (b"application/json;q=0.1, application/yaml", Form(YAML)),
        (TABLE + b",application/json", Form(JSON, "Table", "v1")),
        (b"application/json;as=Table;v=v2;g=meta.k8s.io,application/json", Form()),
        (b"application/json;as=Nonsense;v=v1;g=meta.k8s.io,application/json", Form()),
    ],
)
def test_accept(accept: bytes, wanted: Form) -> None:
    assert accepted(accept) == wanted


@pytest.mark.parametrize("accept", [b"application/xml", b"text/html", b"application/vnd.kubernetes.protobuf"])
def test_what_cannot_be_served(accept: bytes) -> None:
    with pytest.raises(NotAcceptable):
        accepted(accept)


def test_content_type() -> None:
    assert sent(b"") is JSON
    assert sent(b"application/json; charset=utf-8") is JSON
    assert sent(b"application/yaml") is YAML
    with pytest.raises(UnsupportedMediaType):
        sent(b"application/xml")
