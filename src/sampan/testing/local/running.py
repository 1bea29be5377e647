"""What a test holds of its cluster."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sampan.aio.clock import SystemClock
from sampan.client.config import ClientConfig
from sampan.testing.local.address import Address
from sampan.testing.local.setup import BadSetup, Setup, kubeconfig_file

if TYPE_CHECKING:
    from sampan.client.rest import RestClient

KUBECTL_SECONDS = 120.0


class Home(Protocol):
    """Where the cluster runs."""

    def silence(self, name: str, silent: bool) -> None: ...


class Cluster:
    """`url` is the API server's, `config` speaks for its administrator, `folder` holds its files."""

    def __init__(self, setup: Setup, folder: Path, home: Home, address: Address) -> None:
        self._setup = setup
        self._home = home
        self.folder = folder
        self.url = address.url
        self.config: ClientConfig = address.admin

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return kubeconfig_file(self.folder, "admin")

    def kubeconfig_of(self, user: str) -> Path:
        """The kubeconfig of one of the `users` asked for. Raises BadSetup for any other."""
        if user not in self._setup.users:
            raise BadSetup(f"there is no user {user!r}: ask for it with cluster(users={{{user!r}: ()}})")
        return kubeconfig_file(self.folder, user)

    def client(self) -> RestClient:
        """A new asynchronous client of the administrator's; `async with` it."""
        from sampan.client.rest import RestClient

        return RestClient(self.config, SystemClock())

    def kubectl(
        self, *arguments: str, user: str = "", stdin: str = "", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs the kubectl on the PATH, as administrator or as a user. Raises CalledProcessError when it fails."""
        path = self.kubeconfig_of(user) if user else self.kubeconfig
        done = subprocess.run(
            ["kubectl", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env={**os.environ, "KUBECONFIG": str(path), "HOME": str(self.folder)},
            timeout=KUBECTL_SECONDS,
            check=False,
        )
        if check and done.returncode:
            raise KubectlFailed(done.returncode, done.args, done.stdout, done.stderr)
        return done

    def kill_node(self, name: str) -> None:
        """A simulated node falls silent, as when its power fails. Raises BadSetup when there is none of that name."""
        self._silence(name, True)

    def revive_node(self, name: str) -> None:
        """The node is back at its next heartbeat."""
        self._silence(name, False)

    def _silence(self, name: str, silent: bool) -> None:
        if name not in self._setup.node_names:
            raise BadSetup(f"there is no simulated node {name!r}: the {self._setup.nodes} there are begin with node-0")
        self._home.silence(name, silent)


class KubectlFailed(subprocess.CalledProcessError):
    """kubectl ended with an error; its message holds what kubectl said."""

    def __str__(self) -> str:
        return f"{super().__str__()}\n{self.stderr}"
