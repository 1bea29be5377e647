"""The API's verbs over a transport: build the path, send, decode, or raise what the server's Status says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from sampan.aio.clock import Clock
from sampan.api import errors
from sampan.client import discovery
from sampan.client.config import ClientConfig
from sampan.client.interface import ObjectList, PatchType, Propagation, ServerResource, WatchEvent
from sampan.client.targets import Target, target, target_of
from sampan.client.transport import HttpFailure, HttpTransport, Transport

JSON = "application/json"
PATCH_TYPES: dict[str, str] = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "apply": "application/apply-patch+yaml",
}
CHUNK = 500
WATCH_GRACE_SECONDS = 30.0

encode = msgspec.json.Encoder().encode


class WireEvent(msgspec.Struct):
    type: str
    object: msgspec.Raw


decode_event = msgspec.json.Decoder(WireEvent).decode


class RestClient:
    """`client.interface.Client` over HTTP. Close it, or use it as an async context manager."""

    def __init__(self, config: ClientConfig, clock: Clock, *, transport: Transport | None = None) -> None:
        self.config = config
        self._clock = clock
        self._transport = transport or HttpTransport(config)
        self._requests: dict[str, int] = {}

    async def __aenter__(self) -> RestClient:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._transport.close()

    def statistics(self) -> dict[str, Any]:
        """Requests sent so far, by method."""
        return {"requests": dict(self._requests)}

    async def get(self, target: Any, name: str, namespace: str | None = None) -> Any:
        of = _target(target)
        return await self._one("GET", of, of.path(namespace, name))

    async def list(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = "", limit: int = CHUNK
    ) -> ObjectList[Any]:
        of = _target(target)
        items: list[Any] = []
        token = ""
        while True:
            selection = {"labelSelector": labels, "fieldSelector": fields}
            path = of.path(namespace, **selection, limit=limit, **{"continue": token})
            chunk, meta = of.decode_list(await self.raw("GET", path, accept=of.accept(many=True)))
            items += chunk
            token = meta.continue_
            if not token:
                return ObjectList(items, meta.resourceVersion)

    async def create(self, obj: Any, *, target: Any = None) -> Any:
        of = target_of(obj, target)
        return await self._one("POST", of, of.path(_metadata(obj, "namespace")), obj)

    async def update(self, obj: Any, *, target: Any = None, subresource: str = "") -> Any:
        of = target_of(obj, target)
        path = of.path(_metadata(obj, "namespace"), _metadata(obj, "name") or "", subresource)
        return await self._one("PUT", of, path, obj)

    async def update_status(self, obj: Any, *, target: Any = None) -> Any:
        return await self.update(obj, target=target, subresource="status")

    async def patch(
        self,
        target: Any,
        name: str,
        namespace: str | None,
        patch: Any,
        *,
        type: PatchType = "merge",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Any:
        of = _target(target)
        query = {"fieldManager": field_manager, "force": "true" if force else ""}
        path = of.path(namespace, name, subresource, **query)
        return await self._one("PATCH", of, path, patch, content_type=PATCH_TYPES[type])

    async def delete(
        self,
        target: Any,
        name: str,
        namespace: str | None = None,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        grace_period_seconds: int | None = None,
        propagation_policy: Propagation | None = None,
    ) -> Any:
        of = _target(target)
        options = delete_options(uid, resource_version, grace_period_seconds, propagation_policy)
        body = await self.raw("DELETE", of.path(namespace, name), options, accept=of.accept())
        if b'"Status"' in body[:64] and msgspec.json.decode(body).get("kind") == "Status":
            return None
        return of.decode(body)

    async def delete_collection(
        self, target: Any, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> None:
        of = _target(target)
        options = delete_options(None, None, None, "Background")
        await self.raw("DELETE", of.path(namespace, labelSelector=labels, fieldSelector=fields), options)

    async def create_subresource(
        self, target: Any, name: str, namespace: str | None, subresource: str, body: Any
    ) -> Any:
        path = _target(target).path(namespace, name, subresource)
        return msgspec.json.decode(await self.raw("POST", path, body))

    async def watch(
        self,
        target: Any,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        bookmarks: bool = True,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[WatchEvent[Any]]:
        of = _target(target)
        query: dict[str, Any] = {
            "watch": "true",
            "labelSelector": labels,
            "fieldSelector": fields,
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true" if bookmarks else "",
            "timeoutSeconds": int(timeout_seconds or 0),
        }
        silence = None if timeout_seconds is None else timeout_seconds + WATCH_GRACE_SECONDS
        lines = self._transport.stream(of.path(namespace, **query), {"Accept": of.accept()}, silence)
        self._count("WATCH")
        try:
            async for line in lines:
                event = decode_event(line)
                if event.type == "ERROR":
                    raise errors.from_status(msgspec.json.decode(event.object))
                yield WatchEvent(event.type, of.decode(bytes(event.object)))
        except HttpFailure as failure:
            raise api_error(failure.code, failure.body) from None

    async def discover(self) -> Sequence[ServerResource]:
        return await discovery.discover(self.raw)

    async def raw(
        self, method: str, path: str, body: Any = None, *, accept: str = JSON, content_type: str = JSON
    ) -> bytes:
        """The body of any successful request to any path; `body` is encoded as JSON."""
        headers = {"Accept": accept}
        payload = b""
        if body is not None:
            headers["Content-Type"] = content_type
            payload = encode(body)
        self._count(method)
        code, answer = await self._transport.request(method, path, headers, payload)
        if code >= 400:
            raise api_error(code, answer)
        return answer

    async def _one(self, method: str, of: Target[Any], path: str, body: Any = None, content_type: str = JSON) -> Any:
        return of.decode(await self.raw(method, path, body, accept=of.accept(), content_type=content_type))

    def _count(self, method: str) -> None:
        self._requests[method] = self._requests.get(method, 0) + 1


_target = target


def _metadata(obj: Any, field: str) -> Any:
    if isinstance(obj, dict):
        return obj.get("metadata", {}).get(field)
    return getattr(obj.metadata, field) if obj.metadata is not None else None


def delete_options(
    uid: str | None, resource_version: str | None, grace: int | None, propagation: Propagation | None
) -> dict[str, Any]:
    """`DeleteOptions` naming only what was given."""
    preconditions = {"uid": uid, "resourceVersion": resource_version}
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if uid or resource_version:
        options["preconditions"] = {key: value for key, value in preconditions.items() if value}
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    if propagation is not None:
        options["propagationPolicy"] = propagation
    return options


def api_error(code: int, body: bytes) -> errors.ApiError:
    """The error a failed answer means: its Status when it has one, else one made from the code and the text."""
    try:
        status = msgspec.json.decode(body)
    except msgspec.DecodeError:
        status = None
    if not isinstance(status, dict) or status.get("kind") != "Status":
        status = {"message": body[:1000].decode(errors="replace") or f"HTTP {code}"}
    return errors.from_status({"code": code, **status})
