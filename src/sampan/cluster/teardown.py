"""`sampan down`: stops what `up` started and leaves nothing behind: process, mount, interface, table, cgroup or file.

The order matters: first those who would start things again (guardian, supervisor, agent), then the pods through the
runtime, then the runtime, then what the network left, then the files.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.aio.mounts import unmount_below
from sampan.aio.removal import remove_tree
from sampan.cluster import supervise
from sampan.cluster.errors import ClusterError
from sampan.cluster.layout import Layout
from sampan.cluster.node import cgroup_driver, remove_network
from sampan.cluster.nodes import machines
from sampan.cluster.nodes import namespaces as networks
from sampan.cluster.nodes import plan as nodes
from sampan.cluster.options import Options
from sampan.cluster.servers import namespaces
from sampan.cluster.servers.plan import Plan
from sampan.cluster.supervision.processes import Record, Records
from sampan.cri.client import CriClient
from sampan.cri.containerd import Containerd, remove_all_sandboxes
from sampan.cri.errors import RuntimeFailure
from sampan.kubelet.cgroup.names import SYSTEMD, path_of
from sampan.kubelet.cgroup.systemd import Slices
from sampan.kubelet.shutdown import logind
from sampan.kubelet.systembus import BusError, SystemBus

STOP_SECONDS = 20.0
FIRST_TO_STOP = (supervise.GUARDIAN, supervise.SUPERVISOR)


async def tear_down(options: Options, clock: Clock, *, keep_data: bool, tell: Callable[[str], None]) -> None:
    """Everything; safe to run again, and on a cluster that is half up. `tell` is given a line for each step."""
    layout = options.layout
    records = Records(layout.run)
    if count := await machines.remove_all(nodes.Plan(options), keep_data=keep_data):
        tell(f"{count} further nodes removed")
    stop_processes(records, tell)
    await remove_pods(options, clock, tell)
    if runtime := records.load(supervise.CONTAINERD):
        stop(runtime)
        records.remove(supervise.CONTAINERD)
    await remove_network(options)
    if not options.joined:
        await networks.remove(nodes.Plan(options))
        namespaces.remove(Plan(options))
    tell("service rules and interfaces removed")
    if cgroup_driver() == SYSTEMD:
        await stop_slice(options.cgroup_root, SystemBus())
    remove_cgroups(options.cgroup_root)
    logind.DROP_IN.unlink(missing_ok=True)
    unmount_below(layout.kubelet)
    remove_files(layout, keep_data)
    tell(f"files below {layout.data_dir} removed" + (", but for the store and the certificates" if keep_data else ""))


def stop_processes(records: Records, tell: Callable[[str], None]) -> None:
    """Ends all but the runtime: those first that would start others again."""
    entries = {entry.name: entry for entry in records.all() if entry.name != supervise.CONTAINERD}
    ordered = [entries.pop(name) for name in FIRST_TO_STOP if name in entries]
    stopped = [entry.name for entry in [*ordered, *entries.values()] if stop(entry)]
    for name in (*FIRST_TO_STOP, *entries):
        records.remove(name)
    tell(f"stopped: {', '.join(stopped) or 'nothing was running'}")


def stop(entry: Record) -> bool:
    """Ends that process, by force if it must be; False when it was not running."""
    if not entry.signal(signal.SIGTERM):
        return False
    if not entry.wait(STOP_SECONDS):
        entry.signal(signal.SIGKILL)
        entry.wait(STOP_SECONDS)
    return True


async def remove_pods(options: Options, clock: Clock, tell: Callable[[str], None]) -> None:
    """Removes this cluster's pods; with our own runtime, the runtime and its folder as well."""
    if not options.container_runtime_endpoint:
        runtime = Containerd(
            options.layout.data_dir,
            clock=clock,
            cni_conf_dir=options.cni_configuration,
            cni_bin_dir=Path(options.cni_bin_dir),
        )
        if runtime.directory.exists():
            if not await answers(runtime.socket):
                await runtime.start()
            await runtime.destroy()
            tell("pods and container runtime removed")
        return
    try:
        await remove_all_sandboxes(Path(options.runtime_socket))
        tell("pods removed")
    except RuntimeFailure as error:
        tell(f"the container runtime does not answer, its pods stay: {error}")


async def answers(socket: Path) -> bool:
    client = CriClient(str(socket))
    try:
        await client.version()
    except RuntimeFailure:
        return False
    finally:
        await client.close()
    return True


async def stop_slice(root: str, bus: SystemBus) -> None:
    """Ends the unit of all pods' slices, and with it those below: systemd keeps a slice whose control group is gone."""
    try:
        await Slices(bus, 2).stop(path_of([root], SYSTEMD))
    except BusError:
        return  # there is none: no pod has run
    finally:
        await bus.close()


def remove_cgroups(root: str, mount: Path = Path("/sys/fs/cgroup")) -> None:
    """Removes the empty control groups that pods were in, whoever made them; one that is still in use stays.

    systemd may be removing them, too: what is gone meanwhile is no error.
    """
    names = [path_of([root], driver).lstrip("/") for driver in ("cgroupfs", SYSTEMD)]
    for top in (hierarchy / name for hierarchy in (mount, *mount.iterdir()) for name in names):
        for folder, _, _ in os.walk(top, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def remove_files(layout: Layout, keep_data: bool) -> None:
    store, folders = layout.store.name, {layout.etcd.name, layout.pki.name, layout.nodes.name}
    kept = {store, f"{store}-wal", f"{store}-shm", *folders, "backups", "cluster.json"}
    for path in layout.data_dir.iterdir() if layout.data_dir.exists() else ():
        if keep_data and path.name in kept:
            continue
        remove_folder(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if not keep_data and layout.data_dir.exists():
        layout.data_dir.rmdir()


def remove_folder(path: Path) -> None:
    """Never deletes through a mount: a volume that could not be unmounted loses nothing."""
    try:
        remove_tree(path)
    except OSError as error:
        raise ClusterError(
            f"{path} could not be removed ({error}): unmount what is mounted there, run this again"
        ) from None
