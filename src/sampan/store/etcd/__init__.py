"""A real etcd cluster, 3.4 or newer, as the store of any number of API servers. See `store` for the theory."""

from __future__ import annotations

from sampan.store.etcd.member import Credentials
from sampan.store.etcd.store import EtcdStore

__all__ = ["Credentials", "EtcdStore"]
