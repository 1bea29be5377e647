"""Options that say where the store is, declared once; those for etcd are kube-apiserver's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sampan.aio.clock import Clock
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import Layout
from sampan.store.errors import StoreError
from sampan.store.interface import Store

if TYPE_CHECKING:
    from sampan.store.encryption import EncryptedStore
    from sampan.store.etcd import Credentials

FILE = click.Path(dir_okay=False, path_type=Path)
STORE = click.option(
    "--store",
    default="sqlite",
    show_default=True,
    help="sqlite, sqlite=PATH, etcd=http://HOST:PORT,..., or memory: nothing is kept.",
)
ETCD = (
    click.option("--etcd-prefix", default="", help="What the keys in etcd begin with, before /registry."),
    click.option("--etcd-cafile", type=FILE, help="Authority of the etcd members' certificates."),
    click.option("--etcd-certfile", type=FILE, help="Certificate to show to etcd."),
    click.option("--etcd-keyfile", type=FILE, help="Key of that certificate."),
    click.option("--etcd-user", default="", help="User of etcd's; the password is read from $SAMPAN_ETCD_PASSWORD."),
)


CLUSTERS = click.option(
    "--store", help="sqlite, sqlite=PATH, or etcd=http://HOST:PORT,...  [default: that of the cluster in the data dir]"
)


def cluster_store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options for commands that are about a cluster's store; `settled` completes them."""
    return CLUSTERS(etcd_options(command))


def settled(layout: Layout, storage: dict[str, Any]) -> dict[str, Any]:
    """The options, with those that the cluster was made with where no store was named."""
    if storage["store"]:
        return storage
    from sampan.cluster import options
    from sampan.cluster.storage import credentials, store_name

    made = options.load(layout)
    if made is None:
        return {**storage, "store": "sqlite"}
    known: dict[str, Any] = {"store": store_name(made), "etcd_prefix": made.etcd_prefix}
    own = credentials(made)
    if own is not None:
        pair = {"etcd_certfile": own.certificate, "etcd_keyfile": own.key}
        known |= {"etcd_cafile": own.authority, "etcd_user": own.user, **pair}
    return {**storage, **known}


def store_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options; `stored` takes them."""
    return STORE(etcd_options(command))


def etcd_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds those for etcd alone."""
    for option in reversed(ETCD):
        command = option(command)
    return command


ENCRYPTION = click.option(
    "--encryption-provider-config", "encryption", type=FILE, help="File with an EncryptionConfiguration."
)

RELOAD = click.option(
    "--encryption-provider-config-automatic-reload",
    "encryption_reload",
    is_flag=True,
    help="Take up changes of that file while serving.",
)


def sqlite_path(layout: Layout, store: str) -> Path | None:
    """Where the SQLite store of that name is; None for another kind."""
    kind, _, place = store.partition("=")
    return (Path(place).absolute() if place else layout.store) if kind == "sqlite" else None


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Store errors become the message of the command."""
    try:
        yield
    except (StoreError, OSError) as error:
        raise ClusterError(str(error)) from error


def stored(
    layout: Layout,
    clock: Clock,
    *,
    store: str,
    etcd_prefix: str,
    etcd_cafile: Path | None,
    etcd_certfile: Path | None,
    etcd_keyfile: Path | None,
    etcd_user: str,
    compacts: bool = True,
    encryption: Path | None = None,
    encryption_reload: bool = False,
) -> Store:
    """The store that the options name, not yet started; `compacts`: whether this process keeps etcd's history short."""
    from sampan.store.opening import open_store

    if bool(etcd_certfile) != bool(etcd_keyfile):
        raise ClusterError("--etcd-certfile and --etcd-keyfile go together: name both, or neither")
    credentials: Credentials | None = None
    if store.startswith("etcd"):
        from sampan.store.etcd import Credentials

        credentials = Credentials(
            authority=etcd_cafile,
            certificate=etcd_certfile,
            key=etcd_keyfile,
            user=etcd_user,
            password=os.environ.get("SAMPAN_ETCD_PASSWORD", ""),
        )
    try:
        opened = open_store(
            store, clock, path=layout.store, prefix=etcd_prefix, credentials=credentials, compacts=compacts
        )
    except ValueError as error:
        raise ClusterError(f"--store: {error}") from None
    return opened if encryption is None else encrypted(opened, encryption, clock, follow=encryption_reload)


def encrypted(store: Store, configuration: Path, clock: Clock, *, follow: bool = False) -> EncryptedStore:
    """The store with values encrypted as the file says; `follow`: as it says later, too."""
    from sampan.store.encryption import EncryptedStore, load

    with told():
        return EncryptedStore(store, load(configuration), clock, file=configuration if follow else None)
