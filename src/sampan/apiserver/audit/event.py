"""What an event says (audit.k8s.io/v1 Event), from what is known of a request.

https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/#audit-k8s-io-v1-Event
"""

from __future__ import annotations

import gzip
from typing import Any

import msgspec

from sampan.apiserver import negotiation
from sampan.apiserver.auth.authorizer import Attributes
from sampan.apiserver.auth.user import User
from sampan.apiserver.http.exchange import Exchange, Response
from sampan.codec import json, yaml
from sampan.codec.errors import CodecError

LONGEST_AGENT = 1024
CUT = "...TRUNCATED"
OF_METADATA = ("namespace", "name", "uid", "resourceVersion")
NO_CREDENTIALS = "Authentication failed, no credentials provided"
STATUS_FIELDS = ("metadata", "status", "message", "reason", "details", "code")


def user(given: User) -> dict[str, Any]:
    told: dict[str, Any] = {"username": given.name}
    told |= {"uid": given.uid} if given.uid else {}
    told |= {"groups": list(given.groups)} if given.groups else {}
    return told | ({"extra": {name: list(values) for name, values in given.extra.items()}} if given.extra else {})


def reference(asked: Attributes) -> dict[str, Any] | None:
    """What a request for a resource is about."""
    if asked.path:
        return None
    named = {
        "resource": asked.resource,
        "namespace": asked.namespace,
        "name": asked.name,
        "apiGroup": asked.group,
        "apiVersion": asked.version,
        "subresource": asked.subresource,
    }
    return {field: value for field, value in named.items() if value}


def agent(exchange: Exchange) -> str:
    text = exchange.headers.get(b"user-agent", b"").decode("utf-8", "replace")
    return text if len(text) <= LONGEST_AGENT else text[: LONGEST_AGENT - len(CUT)] + CUT


def sources(exchange: Exchange) -> list[str]:
    """Addresses the request says it came by, then the one it came from: only that is known for certain."""
    listed = [one.strip() for one in exchange.header(b"x-forwarded-for").split(",")]
    said = [*listed, exchange.header(b"x-real-ip").strip()]
    address = exchange.peer.address() if exchange.peer is not None else ""
    found: list[str] = []
    for one in (*said, address):
        if one and one not in found[-1:] and (one is address or _is_address(one)):
            found.append(one)
    return found


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def shown_credentials(exchange: Exchange) -> str:
    """In upstream's words, by what somebody whom nobody knows wanted to be known."""
    word = exchange.header(b"authorization").partition(" ")[0].lower()
    ways = [word] if word in ("basic", "bearer") else []
    ways += ["x509"] if exchange.peer is not None and exchange.peer.certificate() else []
    return f"Authentication failed, attempted: {', '.join(ways)}" if ways else NO_CREDENTIALS


def status(answer: Response, shown: Any) -> dict[str, Any]:
    """The answer's code, and what a Status says."""
    if isinstance(shown, dict) and shown.get("kind") == "Status":
        told = {field: shown[field] for field in STATUS_FIELDS if field in shown}
        return {"metadata": {}, **told, "code": answer.status}
    return {"metadata": {}, "code": answer.status}


def sent(exchange: Exchange) -> Any:
    """The body of a request as a JSON value; None for what is none."""
    return _value(exchange.body, exchange.headers.get(b"content-type", b""))


def answered(answer: Response) -> Any:
    """The body of an answer likewise."""
    body = answer.whole()
    if (b"Content-Encoding", b"gzip") in (answer.headers or ()):
        body = gzip.decompress(body)
    return _value(body, answer.content_type)


def without_managed_fields(value: Any) -> Any:
    """An object, or a list's items, without who owns which field."""
    if not isinstance(value, dict):
        return value
    found = dict(value)
    if isinstance(metadata := found.get("metadata"), dict):
        found["metadata"] = {name: field for name, field in metadata.items() if name != "managedFields"}
    if isinstance(items := found.get("items"), list):
        found["items"] = [without_managed_fields(item) for item in items]
    return found


def _value(data: bytes, content_type: bytes) -> Any:
    try:
        if b"yaml" in content_type:
            return yaml.decode(data)
        if content_type.startswith(negotiation.PROTOBUF):
            from sampan.codec import protobuf

            return protobuf.decode(data)
        return json.decode(data)
    except (CodecError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
