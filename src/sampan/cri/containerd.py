"""A containerd of our own: its configuration, its process and its removal.

Sampan's containerd shares nothing with one the machine may already run: root, state and socket lie under the data
directory, network namespaces under its state, and CNI configuration under `<data-dir>/cni/net.d` unless told.
Containers belong to shims, one for each pod, which outlive containerd: killing it leaves them running, and the next
start finds them again.

What differs between machines is found out once (`Host.detect`): the systemd cgroup driver where systemd runs, and
`restrict_oom_score_adj` where we lack CAP_SYS_RESOURCE, without which no negative score can be set.
The configuration has version 2, which containerd 1.3 to 2.x read (docs/cri/config.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

from sampan.aio.clock import Clock
from sampan.aio.mounts import unmount_below
from sampan.aio.removal import remove_tree
from sampan.cri import registries, sandboxes
from sampan.cri.builtin import PAUSE_IMAGE
from sampan.cri.client import CriClient
from sampan.cri.errors import RuntimeFailure, RuntimeUnavailable
from sampan.cri.teardown import end_shims, remove_dead_sockets

log = logging.getLogger(__name__)
CAP_SYS_RESOURCE = 24
# Plugins that probe the machine at start for what Sampan never uses.
UNUSED_PLUGINS = (
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
)
# Shims keep their sockets there whatever the state directory is; removed only when nobody else's are left.
SHARED_FOLDERS = (Path("/run/containerd/s"), Path("/run/containerd"))


@dataclass(frozen=True, kw_only=True)
class Host:
    """What about this machine matters to the runtime."""

    systemd: bool
    may_lower_oom_score: bool
    crun: str = ""
    """Where crun is, if it can run here: it refuses to where some controllers are on cgroup v1 and some on v2."""

    @classmethod
    def detect(cls, root: Path = Path("/")) -> Host:
        status = (root / "proc/self/status").read_text()
        effective = next(int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:"))
        return cls(
            systemd=(root / "run/systemd/system").is_dir(),
            may_lower_oom_score=bool(effective >> CAP_SYS_RESOURCE & 1),
            crun="" if is_hybrid(root) else shutil.which("crun") or "",
        )


def is_hybrid(root: Path) -> bool:
    """Whether both versions of cgroups hold controllers."""
    try:
        lines = (root / "proc/cgroups").read_text().splitlines()[1:]
        unified = (root / "sys/fs/cgroup/unified/cgroup.controllers").read_text().split()
    except OSError:
        return False
    return bool(unified) and any(int(line.split()[1]) > 0 for line in lines)


def render(
    directory: Path, *, host: Host, cni_conf_dir: Path, cni_bin_dir: Path, sandbox_image: str = PAUSE_IMAGE
) -> str:
    """The text of config.toml for a containerd that keeps everything in `directory`."""
    systemd, restrict = str(host.systemd).lower(), str(not host.may_lower_oom_score).lower()
    unused = ", ".join(f'"{name}"' for name in UNUSED_PLUGINS)
    return f"""\
# Written by sampan at each start.
version = 2
root = "{directory}/root"
state = "{directory}/state"
disabled_plugins = [{unused}]

[grpc]
  address = "{directory}/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox_image}"
  restrict_oom_score_adj = {restrict}
  netns_mounts_under_state_dir = true
  enable_unprivileged_ports = true
  enable_unprivileged_icmp = true
  max_concurrent_downloads = 6

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{cni_bin_dir}"
    conf_dir = "{cni_conf_dir}"
    max_conf_num = 1

  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{directory}/certs.d"

  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = {systemd}
      Root = "{directory}/state/runc"
{crun(directory, host)}"""


def crun(directory: Path, host: Host) -> str:
    """The handler "crun" for RuntimeClasses, where crun can run."""
    if not host.crun:
        return ""
    return f"""
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun]
    runtime_type = "io.containerd.runc.v2"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.crun.options]
      BinaryName = "{host.crun}"
      SystemdCgroup = {str(host.systemd).lower()}
      Root = "{directory}/state/crun"
"""


class Containerd:
    """containerd under `<data_dir>/containerd`: `start` runs it here, or someone else supervises its `command`."""

    def __init__(
        self,
        data_dir: Path,
        *,
        clock: Clock,
        host: Host | None = None,
        cni_conf_dir: Path | None = None,
        cni_bin_dir: Path = Path("/usr/lib/cni"),
        binary: str = "containerd",
        sandbox_image: str = PAUSE_IMAGE,
        mirrors: registries.Mirrors | None = None,
    ) -> None:
        self.directory = data_dir / "containerd"
        self.socket = self.directory / "containerd.sock"
        self.config_path = self.directory / "config.toml"
        self.cni_conf_dir = cni_conf_dir or data_dir / "cni" / "net.d"
        self._clock = clock
        self._host = host or Host.detect()
        self._cni_bin_dir = cni_bin_dir
        self._binary = binary
        self._sandbox_image = sandbox_image
        self._mirrors = mirrors or {}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def cgroup_driver(self) -> str:
        """ "systemd" or "cgroupfs": the kubelet must name cgroups the way the runtime makes them."""
        return "systemd" if self._host.systemd else "cgroupfs"

    def prepare(self) -> None:
        """Makes the folders and writes config.toml and the registries' mirrors."""
        if not self._host.may_lower_oom_score:
            log.warning("without CAP_SYS_RESOURCE no container can be kept from the OOM killer for longer than others")
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.cni_conf_dir.mkdir(parents=True, exist_ok=True)
        text = render(
            self.directory,
            host=self._host,
            cni_conf_dir=self.cni_conf_dir,
            cni_bin_dir=self._cni_bin_dir,
            sandbox_image=self._sandbox_image,
        )
        self.config_path.write_text(text)
        registries.write(self.directory / "certs.d", self._mirrors)

    def command(self) -> list[str]:
        """The process to supervise, once `prepare` was called."""
        return [self._binary, "--config", str(self.config_path), "--log-level", "warn"]

    async def start(self, *, timeout: float = 30.0) -> None:
        """Runs containerd as our child, its log in `containerd.log`, and returns when CRI answers."""
        self.prepare()
        with (self.directory / "containerd.log").open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        await self.ready(timeout=timeout)

    async def ready(self, *, timeout: float = 30.0) -> None:
        """Returns when CRI answers; raises RuntimeUnavailable with the end of the log after `timeout` seconds."""
        client = CriClient(str(self.socket))
        deadline = self._clock.monotonic() + timeout
        try:
            while True:
                try:
                    await client.version()
                    return
                except RuntimeFailure as error:
                    ended = self._process is not None and self._process.returncode is not None
                    if ended or self._clock.monotonic() > deadline:
                        raise RuntimeUnavailable(
                            f"containerd does not answer at {self.socket}: {error}\n{self._log_end()}"
                        ) from None
                await self._clock.sleep(0.05)
        finally:
            await client.close()

    async def kill(self) -> None:
        """SIGKILL, as a crash would be; the containers go on."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Ends containerd; the containers go on."""
        await self._end(signal.SIGTERM)

    async def destroy(self) -> None:
        """Removes every pod, ends containerd and the shims, unmounts what is left and deletes the folder."""
        with contextlib.suppress(RuntimeFailure):
            await remove_all_sandboxes(self.socket)
        await self.stop()
        end_shims(self.socket)
        for failure in unmount_below(self.directory):
            log.warning("could not unmount %s", failure)
        with contextlib.suppress(OSError):
            remove_tree(self.directory)
        remove_dead_sockets(SHARED_FOLDERS[0])
        for folder in SHARED_FOLDERS:
            with contextlib.suppress(OSError):
                folder.rmdir()

    async def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        await process.wait()

    def _log_end(self) -> str:
        with contextlib.suppress(OSError):
            return "\n".join((self.directory / "containerd.log").read_text(errors="replace").splitlines()[-8:])
        return ""


async def remove_all_sandboxes(socket: Path) -> None:
    """Removes every pod of the runtime, eight at a time; raises RuntimeFailure when it does not answer."""
    client = CriClient(str(socket))
    at_once = asyncio.Semaphore(8)

    async def remove(sandbox_id: str) -> None:
        async with at_once:
            await sandboxes.remove(client, sandbox_id)

    try:
        found = await client.list_sandboxes()
        results = await asyncio.gather(*(remove(sandbox.id) for sandbox in found), return_exceptions=True)
    finally:
        await client.close()
    for failure in results:
        if isinstance(failure, BaseException):
            log.warning("a sandbox could not be removed error=%s", failure)
