"""Backups: a store's objects as of one revision in one file, and the ways back.

`format` is the file, `snapshot` what is put into it, `restoring` and `migration` how it gets into a store again, and
`schedule` takes one at intervals. All but reading an SQLite file that another process serves goes through the store's
Protocol, so any store's backup can be restored into any other.

A backup holds the objects as they are stored: encrypted ones stay so, and their keys are not in it.
"""

from __future__ import annotations

from sampan.store.backup.format import BackupError, Header, Reader
from sampan.store.backup.migration import migrate
from sampan.store.backup.restoring import Changes, restore
from sampan.store.backup.schedule import Snapshots
from sampan.store.backup.snapshot import save

__all__ = ["BackupError", "Changes", "Header", "Reader", "Snapshots", "migrate", "restore", "save"]
