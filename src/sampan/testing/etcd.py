"""Real etcd for tests: processes of the machine's `etcd` program, in a folder and on loopback ports of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import grpc

from sampan.store.etcd.messages import pb
from sampan.store.etcd.rpc_pb2_grpc import KVStub
from sampan.testing.ports import free_port

PROGRAM = "etcd"
HEARTBEAT_MS, ELECTION_MS = 50, 500
"""Short, so that a test does not wait long for a new leader; leases of one second are possible."""
REQUEST_BYTES = 8 << 20


def available() -> bool:
    """Whether the machine has etcd (Debian: `etcd-server`)."""
    return shutil.which(PROGRAM) is not None


class Member:
    """One etcd process, which may be killed, stopped for a while, and started again on the same data.

    It listens at `host`; `prefix` is what its command begins with, to run it elsewhere.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        client: int,
        peer: int,
        *,
        scheme: str = "http",
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.folder = folder
        self.client, self.peer = client, peer
        self.host = host
        self._prefix = list(prefix)
        self.url = f"{scheme}://{host}:{client}"
        self.peer_url = f"http://{host}:{peer}"
        """Where the other members find it: another address when something is to stand between."""
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, cluster: str, state: str = "new", options: Sequence[str] = ()) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            *self._prefix,
            PROGRAM,
            f"--name={self.name}",
            f"--data-dir={self.folder / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls=http://{self.host}:{self.peer}",
            f"--initial-advertise-peer-urls={self.peer_url}",
            f"--initial-cluster={cluster}",
            f"--initial-cluster-state={state}",
            f"--heartbeat-interval={HEARTBEAT_MS}",
            f"--election-timeout={ELECTION_MS}",
            f"--max-request-bytes={REQUEST_BYTES}",
            "--logger=zap",
            "--log-level=error",
            *options,
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ETCD_")}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def send(self, number: signal.Signals) -> None:
        """SIGSTOP has taken effect when this returns: nothing more is answered."""
        if self.process is not None and self.running:
            self.process.send_signal(number)
            if number == signal.SIGSTOP:
                os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def kill(self) -> None:
        """As a power cut would, but for what the kernel still writes."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")


class EtcdCluster:
    """Members on this machine. `options` are given to each of them as they are."""

    def __init__(self, members: Sequence[Member], *, options: Sequence[str] = ()) -> None:
        self.members = list(members)
        self._options = options

    @property
    def endpoints(self) -> list[str]:
        return [member.url for member in self.members]

    @property
    def peers(self) -> str:
        return ",".join(f"{member.name}={member.peer_url}" for member in self.members)

    def start(self, member: Member | None = None) -> None:
        """Starts all members, or one."""
        for each in [member] if member else self.members:
            each.start(self.peers, options=self._options)

    async def ready(self, seconds: float = 30.0) -> None:
        """Returns when every member that runs takes connections; raises TimeoutError with what etcd said."""
        try:
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(_listening(member) for member in self.members if member.running))
        except TimeoutError:
            said = "\n".join(member.log()[-2000:] for member in self.members)
            raise TimeoutError(f"etcd did not start: {said}") from None

    def close(self) -> None:
        for member in self.members:
            member.kill()


def local(folder: Path, members: int = 1, *, options: Sequence[str] = (), scheme: str = "http") -> EtcdCluster:
    """Members on loopback, with their data below the folder; not started."""
    made = [Member(f"m{n}", folder / f"m{n}", free_port(), free_port(), scheme=scheme) for n in range(members)]
    return EtcdCluster(made, options=options)


async def _listening(member: Member) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(member.host, member.client)
        except OSError:
            if not member.running:
                raise TimeoutError from None
            await asyncio.sleep(0.02)
            continue
        writer.close()
        await writer.wait_closed()
        return


@contextlib.contextmanager
def cluster(
    members: int = 1, *, options: Sequence[str] = (), scheme: str = "http", start: bool = True
) -> Iterator[EtcdCluster]:
    """A cluster that runs for the length of the block, in memory-backed files where the machine has them."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="sampan-etcd-", dir=memory if memory.is_dir() else None) as folder:
        made = local(Path(folder), members, options=options, scheme=scheme)
        if start:
            made.start()
        try:
            yield made
        finally:
            made.close()


def wipe(endpoint: str) -> None:
    """Deletes every key, so that a leftover lease has nothing to take along later."""
    everything = pb.RequestOp(request_delete_range=pb.DeleteRangeRequest(key=b"\0", range_end=b"\0"))
    with grpc.insecure_channel(endpoint.removeprefix("http://")) as channel:
        KVStub(channel).Txn(pb.TxnRequest(success=[everything]), timeout=10, wait_for_ready=True)


def etcdctl(endpoint: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
    """What etcdctl answers."""
    environment = {**os.environ, "ETCDCTL_API": "3", **(env or {})}
    command = ["etcdctl", f"--endpoints={endpoint}", *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
