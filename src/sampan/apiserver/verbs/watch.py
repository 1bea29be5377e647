"""GET of a collection with `watch=true`: a stream of events, each encoded once for all who want it in its plain form.

Where a stream begins: without a resourceVersion, and with "0", at the present state (a synthetic ADDED for every
object); with one, right behind it. With `sendInitialEvents=true` the state comes first and a bookmark annotated
`k8s.io/initial-events-end` closes it (KEP-3157); with `false` it never comes.

A watch is a `Feed`: the cache calls it when it has events, and it writes them to the connection in the same turn. A
client that does not read is left alone until its backlog overflows; then its connection is dropped, and nobody else
has noticed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator

import msgspec

from sampan.api import errors, selectors
from sampan.apiserver import listoptions, negotiation, selection, tables
from sampan.apiserver.answers import partial
from sampan.apiserver.http.exchange import Answer, Sink
from sampan.apiserver.listoptions import ListOptions
from sampan.apiserver.negotiation import Form
from sampan.apiserver.request import Request
from sampan.apiserver.stored import in_version, is_stored_version
from sampan.apiserver.timetable import Entry as Appointment
from sampan.store.cache import Batch, Entry, Watcher, WatchEvent
from sampan.store.errors import Compacted

LEAST_SECONDS = 1800
BOOKMARK_SECONDS = 60.0
BACKLOG_EVENTS = 1000
INITIAL_END = {"k8s.io/initial-events-end": "true"}
PIECE_BYTES = 128 << 10


def watch(request: Request) -> Answer | Awaitable[Answer]:
    """200 and a stream. Raises as `list_`; a stream that cannot begin or go on ends with an ERROR event."""
    options = listoptions.parse(request, watch=True)
    if request.target.name:
        named = selectors.Requirement("metadata.name", "In", (request.target.name,))
        options.fields = selectors.Selector((*options.fields.requirements, named))
    feed = WatchFeed(request, options)
    if request.server.local or options.revision > 0:
        return feed
    return _fresh(request, feed)


async def _fresh(request: Request, feed: WatchFeed) -> Answer:
    await request.server.resource(request.kind).fresh()
    return feed


class WatchFeed:
    """One client's watch."""

    def __init__(self, request: Request, options: ListOptions) -> None:
        self._request = request
        self._options = options
        self._predicate = selection.predicate(request.kind, options)
        self._writer = Writer(request)
        self._sink: Sink | None = None
        self._watcher: Watcher | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._appointments: list[Appointment] = []
        self.content_type = negotiation.JSON
        self.status = 200

    # Feed

    def open(self, sink: Sink) -> None:
        self._sink = sink
        self._request.server.metrics.begun(self._request)
        request, options = self._request, self._options
        cache = request.server.resource(request.kind)
        from_start = options.initial_events or (options.initial_events is None and options.revision < 1)
        revision = cache.revision if from_start or options.revision < 1 else options.revision
        try:
            self._watcher = self._subscribe(revision)
        except Compacted as error:
            self._fail(errors.expired(f"too old resource version: {revision} ({error.revision})"))
            return
        if from_start:
            self._pieces = self._state(cache.list(request.target.namespace or None), revision)
        self._schedule()
        self.resume()

    def resume(self) -> None:
        """Write what there is, as long as the client takes it."""
        sink, watcher = self._sink, self._watcher
        if sink is None or watcher is None:
            return
        while True:
            for piece in self._pieces:
                sink.send(piece)
                if sink.paused:
                    return
            if watcher.reason is not None:
                self._ended(watcher.reason)
                return
            batch = watcher.take()
            if batch is None:
                return
            if batch.size <= PIECE_BYTES:
                sink.send(self._writer.batch(batch))
                return
            self._pieces = _gathered(map(self._writer.event, batch))

    def close(self) -> None:
        self._forget()

    # inside

    def _subscribe(self, revision: int) -> Watcher:
        request, options = self._request, self._options
        return request.server.resource(request.kind).watch(
            namespace=request.target.namespace or None,
            name=_wanted(options, "metadata.name"),
            field=_indexed(options),
            label=None if options.labels.everything else selection.LabelPredicate(options.labels),
            where=None if options.fields.everything else selection.FieldPredicate(options.fields),
            from_revision=revision,
            limit=BACKLOG_EVENTS,
            ready=self._ready,
        )

    def _ready(self) -> None:
        """Called by the cache."""
        sink, watcher = self._sink, self._watcher
        if watcher is None or sink is None:
            return
        if not sink.paused or watcher.reason is not None:
            self.resume()

    def _state(self, entries: list[Entry], revision: int) -> Iterator[bytes]:
        """The present state as ADDED events, many to a piece, and the bookmark behind it."""
        predicate, writer = self._predicate, self._writer
        yield from _gathered(writer.added(e) for e in entries if predicate is None or predicate(e))
        if self._options.initial_events and self._options.bookmarks:
            yield writer.bookmark(revision, INITIAL_END)

    def _schedule(self) -> None:
        """When the watch ends:

        as asked for, else after half an hour to an hour, so that watches spread over servers anew.
        """
        server, timeout = self._request.server, self._options.timeout
        seconds = float(timeout) if timeout else LEAST_SECONDS * (1 + server.rng.random())
        now = server.clock.monotonic()
        self._appointments.append(server.timetable.at(now + seconds, self._finish))
        if self._options.bookmarks:
            self._appointments.append(server.timetable.at(now + BOOKMARK_SECONDS, self._bookmark))

    def _bookmark(self) -> None:
        server, sink, watcher = self._request.server, self._sink, self._watcher
        if sink is None or watcher is None or watcher.reason is not None:
            return
        if not sink.paused:
            sink.send(self._writer.bookmark(watcher.bookmark(), {}))
        self._appointments[-1] = server.timetable.at(server.clock.monotonic() + BOOKMARK_SECONDS, self._bookmark)

    def _finish(self) -> None:
        sink = self._forget()
        if sink is not None:
            sink.end()

    def _ended(self, reason: str) -> None:
        """The cache has ended the watch: the client has not read ("overflow"), or has to start anew."""
        if reason == "overflow":
            sink = self._forget()
            if sink is not None:
                sink.abort()
            return
        self._fail(errors.expired("too old resource version: the watch cache has started over"))

    def _fail(self, error: errors.ApiError) -> None:
        if self._sink is not None:
            self._sink.send(error_event(error))
        self._finish()

    def _forget(self) -> Sink | None:
        """Let go of everything; gives the sink, None when that was done before."""
        sink, self._sink = self._sink, None
        if sink is not None:
            self._request.server.metrics.begun(self._request, -1)
        for appointment in self._appointments:
            appointment.cancel()
        if self._watcher is not None:
            watcher, self._watcher = self._watcher, None
            watcher.close()
        return sink


def _gathered(events: Iterable[bytes]) -> Iterator[bytes]:
    """Events joined into pieces of about `PIECE_BYTES`."""
    parts: list[bytes] = []
    size = 0
    for event in events:
        parts.append(event)
        size += len(event)
        if size >= PIECE_BYTES:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield b"".join(parts)


def _wanted(options: ListOptions, path: str) -> str | None:
    """The one value a field must have, if the selector says so."""
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


class Writer:
    """Events in the form the client asked for. Raises NotAcceptable for a form that streams do not have."""

    def __init__(self, request: Request) -> None:
        form: Form = request.form
        if form.media is negotiation.YAML or form.shape == "PartialObjectMetadataList":
            raise negotiation.not_acceptable()
        self._request = request
        self._kind = request.kind
        self._form = form
        self._plain = not form.shape and is_stored_version(request.kind)
        self._first = True
        self._sent = request.server.metrics.events(request.kind)

    def added(self, entry: Entry) -> bytes:
        self._sent[0] += 1
        return b'{"type":"ADDED","object":%b}\n' % self._object(entry.data)

    def batch(self, batch: Batch) -> bytes:
        if self._plain:
            self._sent[0] += len(batch.events)
            return batch.wire
        return b"".join(map(self.event, batch))

    def event(self, event: WatchEvent) -> bytes:
        self._sent[0] += 1
        if self._plain:
            return event.wire
        return b'{"type":"%b","object":%b}\n' % (event.type.encode(), self._object(event.entry.data))

    def bookmark(self, revision: int, annotations: dict[str, str]) -> bytes:
        self._sent[0] += 1
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
