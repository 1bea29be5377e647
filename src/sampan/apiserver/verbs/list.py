"""GET of a collection: the cached bytes of its objects, joined.

Pages stay consistent: a `continue` token names the revision its list began at, and later pages are read as of that
revision (from the cache while nothing has changed since, else from the store).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from sampan.api import errors
from sampan.api.registry import Kind
from sampan.apiserver import continuation, listoptions, negotiation, selection, tables
from sampan.apiserver.answers import finish, partial
from sampan.apiserver.http.exchange import Answer, Response, Stream
from sampan.apiserver.listoptions import ListOptions
from sampan.apiserver.negotiation import Form
from sampan.apiserver.request import Request
from sampan.apiserver.stored import in_version, is_stored_version
from sampan.apiserver.verbs import pieces
from sampan.store.cache import Entry, Page
from sampan.store.errors import Compacted

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
TOO_OLD = "The resourceVersion for the provided list is too old."


def list_(request: Request) -> Answer | Awaitable[Answer]:
    """200 with the list. Raises BadRequest, Invalid, Expired and Timeout ("too large resource version")."""
    options = listoptions.parse(request, watch=False)
    cache = request.server.resource(request.kind)
    if options.continue_ or exact(options) or options.revision > cache.revision:
        return _slow(request, options)
    if not request.server.local and options.revision < 0:
        return _slow(request, options)
    predicate = selection.predicate(request.kind, options)
    page = cache.page(request.target.namespace or None, limit=0 if predicate else options.limit)
    return _answer(request, options, page, predicate)


def exact(options: ListOptions) -> bool:
    """Whether the list is to be as of the revision named: when asked so, and, older than that option, for pages."""
    return options.revision > 0 and (options.match == listoptions.EXACT or (options.limit > 0 and not options.match))


async def _slow(request: Request, options: ListOptions) -> Answer:
    """Lists that may have to wait, or that look at the past."""
    cache = request.server.resource(request.kind)
    predicate = selection.predicate(request.kind, options)
    after, revision = "", max(options.revision, 0)
    if options.continue_:
        if options.revision > 0:
            raise errors.BadRequest("specifying resource version is not allowed when using continue")
        revision, start = continuation.decode(options.continue_)
        after = cache.prefix + start
    current = await cache.fresh()
    if revision > current:
        raise too_large(revision, current)
    past = exact(options) or (bool(options.continue_) and revision > 0)
    namespace = request.target.namespace or None
    limit = 0 if predicate else options.limit
    try:
        page = await cache.page_at(revision if past else current, namespace, after=after, limit=limit)
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


def _answer(request: Request, options: ListOptions, page: Page, predicate: selection.Predicate | None) -> Answer:
    entries, rest = page.entries, page.remaining
    metadata: dict[str, object] = {"resourceVersion": str(page.revision)}
    if predicate is not None:
        entries, rest = _matching(entries, predicate, options.limit)
    elif rest:
        metadata["remainingItemCount"] = rest
    if rest:
        prefix = request.server.resource(request.kind).prefix
        metadata["continue"] = continuation.encode(page.revision, entries[-1].key[len(prefix) :])
    return body(request, request.kind, entries, msgspec.json.encode(metadata))


def _matching(entries: Sequence[Entry], predicate: selection.Predicate, limit: int) -> tuple[list[Entry], int]:
    """The matching entries, at most `limit` (0: all), and 1 when there may be more."""
    page: list[Entry] = []
    for index, entry in enumerate(entries):
        if predicate(entry):
            page.append(entry)
            if len(page) == limit:
                return page, int(index + 1 < len(entries))
    return page, 0


def body(request: Request, kind: Kind, page: Sequence[Entry], metadata: bytes) -> Response | Stream:
    """200 with a list of these entries, in the form the client asked for. Raises NotAcceptable."""
    form = request.form
    if form.shape == "Table":
        items = [in_version(kind, entry.data) for entry in page]
        return finish(request, tables.table(request, form, items, metadata), form, 200)
    if form.shape == "PartialObjectMetadataList":
        head = b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/%b","metadata":%b,"items":['
        return _items(
            request, form, head % (form.version.encode(), metadata), page, lambda e: partial(e.data, form)[1:]
        )
    if form.shape:
        raise negotiation.not_acceptable()
    return _items(request, form, list_head(kind, metadata), page, shown_in(kind))


def _items(
    request: Request, form: Form, head: bytes, page: Sequence[Entry], item: Callable[[Entry], bytes]
) -> Response | Stream:
    if pieces.is_large(page) and form.media is negotiation.JSON and not request.parameter("pretty"):
        return pieces.stream(request, head, page, item)
    return finish(request, pieces.whole(head, page, item), form, 200)


def list_head(kind: Kind, metadata: bytes) -> bytes:
    """The JSON of a list up to its first item."""
    names = kind.list_kind.encode(), kind.api_version.encode()
    return b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (*names, metadata)


def shown_in(kind: Kind) -> Callable[[Entry], bytes]:
    """How a list shows an entry: without kind and apiVersion, which are the list's, and without its opening brace."""
    skip = kind.prefix.index(b'"metadata"')
    if is_stored_version(kind):
        return lambda entry: entry.data[skip:]
    return lambda entry: in_version(kind, entry.data)[skip:]
