"""The watch cache: every object's bytes in memory, ready to be written to a client.

*Bytes first.* An entry's `data` is the stored JSON with its resourceVersion spliced in once, when the change arrives.
GET writes it, LIST joins entries, WATCH wraps it once per event whoever listens. Nothing is decoded unless a selector
asks, and then only the labels and the selectable fields.

*Cost follows what changed.* Watchers that would see the same events form a channel; channels are found by namespace,
name and selectable field. A change touches the channels it concerns, makes one batch for each, and hands the same batch
to all of a channel's watchers.

`WatchCache` (cache) follows the store; `ResourceCache` (resource) holds one resource's entries, history and channels;
`Watcher` (watcher) is what one client reads from.
"""

from __future__ import annotations

from sampan.store.cache.cache import WatchCache
from sampan.store.cache.entry import Entry
from sampan.store.cache.event import Batch, WatchEvent
from sampan.store.cache.projection import Selectable
from sampan.store.cache.resource import Page, ResourceCache
from sampan.store.cache.watcher import Watcher

__all__ = ["Batch", "Entry", "Page", "ResourceCache", "Selectable", "WatchCache", "WatchEvent", "Watcher"]
