"""GET of a collection with `watch=true`: a stream of events, each encoded once for everybody who wants it in its plain
form.

Where a stream begins: without a resourceVersion, and with "0", at the present state (a synthetic ADDED for every
object); with one, right behind it. With `sendInitialEvents` the state comes first and a bookmark annotated
`k8s.io/initial-events-end` closes it (KEP-3157).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable

import msgspec

from sampan.api import errors
from sampan.api.registry import Kind
from sampan.apiserver import listoptions, negotiation, selection, tables
from sampan.apiserver.answers import partial
from sampan.apiserver.http.exchange import Response, Stream
from sampan.apiserver.listoptions import ListOptions
from sampan.apiserver.negotiation import Form
from sampan.apiserver.request import Request
from sampan.apiserver.stored import in_version, is_stored_version
from sampan.store.cache import Batch, Entry
from sampan.store.errors import Compacted

MINIMUM_SECONDS = 1800
BOOKMARK_SECONDS = 60.0
BUFFER_EVENTS = 1000
INITIAL_END = {"k8s.io/initial-events-end": "true"}


def watch(request: Request) -> Stream | Response | Awaitable[Response]:
    """200 and a stream. Raises as `list_`; a stream that cannot begin or go on ends with an ERROR event."""
    options = listoptions.parse(request, watch=True)
    if request.target.name:
        options.fields = _and_name(options, request.target.name)
    predicate = selection.predicate(request.kind, options)
    form = request.form
    if form.media is negotiation.YAML:
        raise negotiation.not_acceptable()
    return Stream(_events(request, options, predicate, form))


def _and_name(options: ListOptions, name: str) -> selection.selectors.Selector:
    """The legacy `/watch/.../name` paths: the field selector with the name added."""
    selectors = selection.selectors
    return selectors.Selector((*options.fields.requirements, selectors.Requirement("metadata.name", "In", (name,))))


def seconds(request: Request, options: ListOptions) -> float:
    """How long the stream may last:

    what was asked for, else half an hour to an hour, so that watches spread over servers again.
    """
    if options.timeout is not None and options.timeout > 0:
        return float(options.timeout)
    return MINIMUM_SECONDS * (1 + request.server.rng.random())


async def _events(
    request: Request, options: ListOptions, predicate: selection.Predicate | None, form: Form
) -> AsyncIterator[bytes]:
    """The pieces of the stream; each holds whole events."""
    server, kind, target = request.server, request.kind, request.target
    writer = _Writer(request, form)
    deadline = server.clock.monotonic() + seconds(request, options)
    namespace = target.namespace or None
    cache = server.resource(kind)
    revision = await cache.fresh() if options.revision < 1 or options.initial_events else options.revision
    initial = options.initial_events or (options.initial_events is None and options.revision < 1)
    try:
        watcher = cache.watch(
            namespace=namespace,
            name=_equal(options, "metadata.name"),
            field=_indexed(options),
            label=None if options.labels.everything else selection.LabelPredicate(options.labels),
            where=None if options.fields.everything else selection.FieldPredicate(options.fields),
            from_revision=revision,
            limit=BUFFER_EVENTS,
        )
    except Compacted as error:
        yield error_event(errors.expired(f"too old resource version: {revision} ({error.revision})"))
        return
    try:
        if initial:
            for piece in _initial(writer, cache.list(namespace), predicate):
                yield piece
            if options.initial_events and options.bookmarks:
                yield writer.bookmark(revision, INITIAL_END)
        async for piece in _following(server, watcher, writer, options, deadline):
            yield piece
    finally:
        watcher.close()


def _initial(writer: _Writer, entries: list[Entry], predicate: selection.Predicate | None) -> list[bytes]:
    """The present state as ADDED events, a hundred to a piece."""
    matching = [entry for entry in entries if predicate is None or predicate(entry)]
    return [b"".join(map(writer.added, matching[at : at + 100])) for at in range(0, len(matching), 100)]


async def _following(
    server: object, watcher: object, writer: _Writer, options: ListOptions, deadline: float
) -> AsyncIterator[bytes]:
    clock = server.clock  # type: ignore[attr-defined]
    while (left := deadline - clock.monotonic()) > 0:
        try:
            batch = await clock.wait_for(watcher.__anext__(), min(left, BOOKMARK_SECONDS))  # type: ignore[attr-defined]
        except TimeoutError:
            if options.bookmarks and clock.monotonic() < deadline:
                yield writer.bookmark(watcher.bookmark(), {})  # type: ignore[attr-defined]
            continue
        except StopAsyncIteration:
            return
        except Compacted as error:
            yield error_event(errors.expired(f"too old resource version: ({error.revision})"))
            return
        if batch:
            yield writer.batch(batch)


def _equal(options: ListOptions, path: str) -> str | None:
    for requirement in options.fields.requirements:
        if requirement.key == path and requirement.operator == "In":
            return requirement.values[0]
    return None


def _indexed(options: ListOptions) -> tuple[str, str] | None:
    """A field the cache has an index of, when the selector asks for one value of it."""
    for requirement in options.fields.requirements:
        if requirement.operator == "In" and requirement.key not in selection.ALWAYS:
            return requirement.key, requirement.values[0]
    return None


class _Writer:
    """Events in the form the client asked for."""

    def __init__(self, request: Request, form: Form) -> None:
        self._request = request
        self._kind: Kind = request.kind
        self._form = form
        self._plain = not form.shape and is_stored_version(request.kind)
        self._first = True

    def added(self, entry: Entry) -> bytes:
        return b'{"type":"ADDED","object":%b}\n' % self._object(entry.data)

    def batch(self, events: Batch) -> bytes:
        if self._plain:
            return events.wire
        return b"".join(
            b'{"type":"%b","object":%b}\n' % (event.type.encode(), self._object(event.entry.data)) for event in events
        )

    def bookmark(self, revision: int, annotations: dict[str, str]) -> bytes:
        kind = self._kind
        metadata: dict[str, object] = {"resourceVersion": str(revision)}
        if annotations:
            metadata["annotations"] = annotations
        data = b'{"kind":"%b","apiVersion":"%b","metadata":%b}' % (
            kind.kind.encode(),
            kind.api_version.encode(),
            msgspec.json.encode(metadata),
        )
        return b'{"type":"BOOKMARK","object":%b}\n' % self._object(data, converted=True)

    def _object(self, data: bytes, *, converted: bool = False) -> bytes:
        if self._plain:
            return data
        if not converted:
            data = in_version(self._kind, data)
        shape = self._form.shape
        if shape == "Table":
            first, self._first = self._first, False
            return tables.table(self._request, self._form, [data], tables.metadata_of(data), definitions=first)
        return partial(data, self._form) if shape else data


def error_event(error: errors.ApiError) -> bytes:
    """The event that ends a stream which cannot go on."""
    return b'{"type":"ERROR","object":%b}\n' % msgspec.json.encode(error.status())
