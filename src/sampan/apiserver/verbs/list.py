"""GET of a collection: the cached bytes of its objects, joined.

Pages stay consistent: a `continue` token names the revision its list began at, and later pages are read as of that
revision (from the cache while nothing has changed since, else from the store).
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Any

import msgspec

from sampan.api import errors
from sampan.api.registry import Kind
from sampan.apiserver import continuation, listoptions, negotiation, selection, tables
from sampan.apiserver.answers import finish, partial
from sampan.apiserver.http.exchange import Response
from sampan.apiserver.listoptions import ListOptions
from sampan.apiserver.request import Request
from sampan.apiserver.stored import in_version, is_stored_version
from sampan.store.cache import Entry, Page
from sampan.store.errors import Compacted

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
TOO_OLD = "The resourceVersion for the provided list is too old."


def list_(request: Request) -> Response | Awaitable[Response]:
    """200 with the list. Raises BadRequest, Invalid, Expired and Timeout ("too large resource version")."""
    options = listoptions.parse(request, watch=False)
    cache = request.server.resource(request.kind)
    if options.continue_ or options.match == listoptions.EXACT or options.revision > cache.revision:
        return _slow(request, options)
    if not request.server.local and options.revision < 0:
        return _slow(request, options)
    predicate = selection.predicate(request.kind, options)
    page = cache.page(request.target.namespace or None, limit=0 if predicate else options.limit)
    return _answer(request, options, page, predicate)


async def _slow(request: Request, options: ListOptions) -> Response:
    """Lists that may have to wait, or that look at the past."""
    cache = request.server.resource(request.kind)
    predicate = selection.predicate(request.kind, options)
    after, revision = "", max(options.revision, 0)
    if options.continue_:
        revision, start = continuation.decode(options.continue_)
        after = cache.prefix + start
    current = await cache.fresh()
    if revision > current:
        raise too_large(revision, current)
    exact = revision > 0 and (options.match == listoptions.EXACT or bool(options.continue_))
    namespace = request.target.namespace or None
    limit = 0 if predicate else options.limit
    try:
        page = await cache.page_at(revision if exact else current, namespace, after=after, limit=limit)
    except Compacted:
        raise _expired(options, start if options.continue_ else "") from None
    return _answer(request, options, page, predicate)


def too_large(revision: int, current: int) -> errors.Timeout:
    """504 in upstream's words: a revision that has not been reached."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return errors.Timeout(
        f"Timeout: Too large resource version: {revision}, current: {current}",
        details={"causes": [cause], "retryAfterSeconds": 1},
    )


class ExpiredToken(errors.Expired):
    """410 that carries a token with which the client may go on, if it can live with an inconsistent list."""

    def __init__(self, message: str, token: str) -> None:
        super().__init__(message)
        self._token = token

    def status(self) -> Any:
        status = super().status()
        status.metadata.continue_ = self._token
        return status


def _expired(options: ListOptions, start: str) -> errors.Expired:
    """410; a page that came too late may be had from the present state instead."""
    if not options.continue_:
        return errors.Expired(TOO_OLD)
    return ExpiredToken(EXPIRED, continuation.encode(-1, start))


def _answer(request: Request, options: ListOptions, page: Page, predicate: selection.Predicate | None) -> Response:
    entries, rest = page.entries, page.remaining
    metadata: dict[str, object] = {"resourceVersion": str(page.revision)}
    if predicate is not None:
        entries, rest = _matching(entries, predicate, options.limit)
    elif rest:
        metadata["remainingItemCount"] = rest
    if rest:
        prefix = request.server.resource(request.kind).prefix
        metadata["continue"] = continuation.encode(page.revision, entries[-1].key[len(prefix) :])
    return _body(request, request.kind, entries, msgspec.json.encode(metadata))


def _matching(entries: Sequence[Entry], predicate: selection.Predicate, limit: int) -> tuple[list[Entry], int]:
    """The matching entries, at most `limit` (0: all), and 1 when there may be more."""
    page: list[Entry] = []
    for index, entry in enumerate(entries):
        if predicate(entry):
            page.append(entry)
            if len(page) == limit:
                return page, int(index + 1 < len(entries))
    return page, 0


def _body(request: Request, kind: Kind, page: Sequence[Entry], metadata: bytes) -> Response:
    form = request.form
    if form.shape == "Table":
        items = [in_version(kind, entry.data) for entry in page]
        return finish(request, tables.table(request, form, items, metadata), form, 200)
    if form.shape == "PartialObjectMetadataList":
        parts = b",".join(partial(entry.data, form) for entry in page)
        head = b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/%b","metadata":%b,"items":['
        return finish(request, [head % (form.version.encode(), metadata), parts, b"]}"], form, 200)
    if form.shape:
        raise negotiation.not_acceptable()
    return finish(request, plain_list(kind, [entry.data for entry in page], metadata), form, 200)


def plain_list(kind: Kind, items: list[bytes], metadata: bytes) -> list[bytes]:
    """The list's JSON in pieces. The items of a list carry no kind and apiVersion of their own."""
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        kind.list_kind.encode(),
        kind.api_version.encode(),
        metadata,
    )
    if not items:
        return [head + b"]}"]
    if not is_stored_version(kind):
        items = [in_version(kind, item) for item in items]
    skip = kind.prefix.index(b'"metadata"')
    return [head + b"{", b",{".join([item[skip:] for item in items]), b"]}"]
