"""A live API server in a process of its own, on a free port and an empty data directory: one for a module of tests."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sampan.testing.ports import free_port

ADMIN = "admin-token"
NOBODY = "nobody-token"
ALONE = ("--disable-admission-plugins", "ServiceAccount")
"""Without controllers nobody makes the accounts that pods run as."""
TOKENS = f'{ADMIN},admin,1,"system:masters"\n{NOBODY},nobody,2,"plain"\n'


@dataclass
class Answer:
    """An HTTP answer; `body` is decoded JSON, or the text of anything else."""

    status: int
    body: Any
    headers: dict[str, str]
    warnings: list[str] = field(default_factory=list)


class Api:
    """Raw HTTP to a server: what upstream's documentation says goes over the wire, and nothing in between."""

    def __init__(self, port: int, data: Path) -> None:
        self.port = port
        self.data = data
        self.url = f"https://127.0.0.1:{port}"

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = ADMIN,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = {"Accept": accept, "User-Agent": "tests/1", **(headers or {})}
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent["Content-Type"] = content_type
        with self.connection() as connection:
            connection.request(method, path, data, sent)
            answer = connection.getresponse()
            text = answer.read()
        pairs = answer.getheaders()
        warnings = [value for name, value in pairs if name.lower() == "warning"]
        return Answer(answer.status, _decoded(text), {name.lower(): value for name, value in pairs}, warnings)

    def connection(self) -> contextlib.AbstractContextManager[http.client.HTTPSConnection]:
        """A connection for one request."""
        return contextlib.closing(self.connect())

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=insecure())

    def raw(self, path: str, **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
        """GET with these headers; the answer's bytes as they came."""
        with self.connection() as connection:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request("GET", path, headers={"Authorization": f"Bearer {ADMIN}", **named})
            answer = connection.getresponse()
            return answer, answer.read()

    def make(self, path: str, body: Any) -> Any:
        """POST that must succeed; gives the object."""
        answer = self("POST", path, body)
        assert answer.status == 201, answer.body
        return answer.body

    def watch(self, path: str) -> list[dict[str, Any]]:
        """All events of a watch that ends by itself (`timeoutSeconds` in the path)."""
        answer = self("GET", path)
        assert answer.status == 200, answer.body
        lines = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        return [json.loads(line) for line in lines.splitlines()]

    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator's."""
        path = self.data / "test.kubeconfig"
        cluster = {"server": self.url, "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": ADMIN}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        text = json.dumps(config)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
        return path

    def kubectl(
        self, *arguments: str, stdin: str = "", check: bool = True, program: str = "kubectl", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the kubectl on the PATH, or another."""
        environment = {
            "KUBECONFIG": str(self.kubeconfig()),
            "HOME": str(self.data),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
        } | environment
        done = subprocess.run(
            [program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, done.stderr
        return done


class Lasting(Api):
    """All requests over one connection, for tests that send many."""

    def __init__(self, port: int, data: Path) -> None:
        super().__init__(port, data)
        self.kept = self.connect()

    def connection(self) -> contextlib.AbstractContextManager[http.client.HTTPSConnection]:
        return contextlib.nullcontext(self.kept)


def _decoded(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return data.decode(errors="replace")


def insecure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Process:
    """A server that can be killed and started again over the same data."""

    def __init__(self, data: Path, *arguments: str) -> None:
        self._data = data
        self.arguments = arguments
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        (data / "tokens.csv").write_text(TOKENS)

    def start(self) -> Api:
        command = [sys.executable, "-m", "sampan", "apiserver", "--data-dir", str(self._data), "--port", str(self.port)]
        tokens = str(self._data / "tokens.csv")
        log = (self._data / "server.log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [*command, "--token-auth-file", tokens, *ALONE, *self.arguments], stdout=log, stderr=log
            )
        api = Api(self.port, self._data)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._data / "server.log").read_text()
            with contextlib.suppress(OSError, http.client.HTTPException):
                if api("GET", "/readyz", token=None).status == 200:
                    return api
            time.sleep(0.02)
        raise AssertionError("the server did not become ready")

    def log(self) -> str:
        """What the server has said so far."""
        return (self._data / "server.log").read_text()

    @property
    def pid(self) -> int:
        """The running server's process."""
        assert self._process is not None
        return self._process.pid

    def ended(self) -> int:
        """The exit status of a server that ends by itself."""
        assert self._process is not None
        return self._process.wait(20)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    process = Process(tmp_path_factory.mktemp("apiserver"))
    yield process
    process.stop()


@pytest.fixture(scope="module")
def special_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Api]]:
    """Starts further servers with arguments of the test's choice."""
    processes: list[Process] = []

    def start(*arguments: str) -> Api:
        processes.append(Process(tmp_path_factory.mktemp("special"), *arguments))
        return processes[-1].start()

    yield start
    for process in processes:
        process.stop()


@pytest.fixture(scope="module")
def api(server: Process) -> Api:
    return server.start()


@pytest.fixture(scope="module")
def lasting(api: Api) -> Iterator[Lasting]:
    """The server, over a connection that lasts."""
    made = Lasting(api.port, api.data)
    yield made
    made.kept.close()


_number = iter(range(1_000_000))


@pytest.fixture
def namespace(api: Api) -> str:
    """A namespace of the test's own."""
    name = f"t{next(_number)}"
    api.make("/api/v1/namespaces", {"metadata": {"name": name}})
    return name
