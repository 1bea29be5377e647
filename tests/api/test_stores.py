"""Servers over either store: backups while serving, the way back, moving house, and several servers on one etcd."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sampan.cluster import options
from sampan.cluster.layout import Layout
from sampan.cluster.options import Options
from sampan.testing import etcd

from .conftest import ADMIN, insecure

MAPS = "/api/v1/namespaces/default/configmaps"


def sampan(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sampan", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


def names(api: Any) -> set[str]:
    return {item["metadata"]["name"] for item in api("GET", MAPS).body["items"]}


@pytest.fixture
def cluster() -> Iterator[etcd.EtcdCluster]:
    if not etcd.available():
        pytest.skip("no etcd on this machine: install the package etcd-server")
    with etcd.cluster() as made:
        yield made


def test_backup_and_restore_of_a_served_file(server: Any, tmp_path: Path) -> None:
    api = server.start()
    data, file = str(api.data), str(tmp_path / "b")
    api.make(MAPS, {"metadata": {"name": "kept"}})
    assert "objects as of" in sampan("backup", file, "--data-dir", data).stdout
    version = api.make(MAPS, {"metadata": {"name": "lost"}})["metadata"]["resourceVersion"]
    assert api("DELETE", f"{MAPS}/kept").status == 200
    assert names(api) == {"lost"}
    done = sampan("restore", file, "--data-dir", data)
    assert "ending the API server" in done.stdout
    assert "deleted" in done.stdout
    server.stop()
    api = server.start()
    assert names(api) == {"kept"}
    assert int(api("GET", MAPS).body["metadata"]["resourceVersion"]) > int(version)
    Path(file).write_bytes(Path(file).read_bytes()[:-100])
    refused = sampan("restore", file, "--data-dir", data, check=False)
    assert refused.returncode == 1
    assert "truncated" in refused.stderr
    assert names(api) == {"kept"}


def test_etcd_is_restored_while_serving_and_taken_to_sqlite(
    server: Any, cluster: etcd.EtcdCluster, tmp_path: Path
) -> None:
    store = f"etcd={cluster.endpoints[0]}"
    process = type(server)(tmp_path, "--store", store)
    api = process.start()
    try:
        file = str(tmp_path / "b")
        version = api.make(MAPS, {"metadata": {"name": "kept"}})["metadata"]["resourceVersion"]
        sampan("backup", file, "--store", store)
        api.make(MAPS, {"metadata": {"name": "lost"}})
        assert api("DELETE", f"{MAPS}/kept").status == 200
        sampan("restore", file, "--store", store)
        assert names(api) == {"kept"}
        events = api.watch(f"{MAPS}?watch=true&resourceVersion={version}&timeoutSeconds=1")
        assert [(event["type"], event["object"]["metadata"]["name"]) for event in events] == [
            ("ADDED", "lost"),
            ("DELETED", "kept"),
            ("ADDED", "kept"),
            ("DELETED", "lost"),
        ]
    finally:
        process.stop()
    target = tmp_path / "moved"
    options.save(Options(data_dir=str(target), store=store))
    sampan("store", "migrate", "--from", store, "--to", "sqlite", "--data-dir", str(target))
    again = sampan("store", "migrate", "--from", store, "--to", "sqlite", "--data-dir", str(target), check=False)
    assert "--overwrite" in again.stderr
    made = options.load(Layout(target))
    assert made is not None and made.store == "sqlite", "`sampan up` would start the cluster on its old store"
    moved = type(server)(target)
    try:
        assert names(moved.start()) == {"kept"}
    finally:
        moved.stop()


def answers_at_once(api: Any, path: str, count: int) -> list[bytes]:
    """What a client is answered that sends so many requests before it reads."""
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ADMIN}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", api.port), timeout=30) as plain, insecure().wrap_socket(plain) as raw:
        raw.sendall(request * (count - 1) + request.replace(b"Host: x", b"Host: x\r\nConnection: close"))
        said = b"".join(iter(lambda: raw.recv(1 << 16), b""))
    return said.split(b"HTTP/1.1 ")[1:]


def questions(api: Any) -> int:
    """How often a server has asked etcd for its revision."""
    found = re.search(r"^apiserver_storage_revisions_asked_total (\d+)", str(api("GET", "/metrics").body), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_two_servers_on_one_etcd_read_each_others_writes(
    server: Any, cluster: etcd.EtcdCluster, tmp_path: Path
) -> None:
    processes = []
    for n in range(2):
        (tmp_path / str(n)).mkdir()
        processes.append(type(server)(tmp_path / str(n), "--store", f"etcd={cluster.endpoints[0]}"))
    try:
        apis = [process.start() for process in processes]
        for n in range(40):
            apis[n % 2].make(MAPS, {"metadata": {"name": f"c{n}"}})
            assert apis[1 - n % 2]("GET", f"{MAPS}/c{n}").status == 200
            assert len(names(apis[1 - n % 2])) == n + 1

        before = questions(apis[1])
        for n in range(5):
            apis[0].make(MAPS, {"metadata": {"name": f"together{n}"}})
            answers = answers_at_once(apis[1], f"{MAPS}/together{n}", 50)
            assert len(answers) == 50 and all(answer.startswith(b"200") for answer in answers)
        # Nearly all of them had arrived before the first was answered.
        assert questions(apis[1]) - before < 100

        def increment(api: Any) -> None:
            for _ in range(20):
                while True:
                    found = api("GET", f"{MAPS}/c0").body
                    found["data"] = {"n": str(int(found.get("data", {}).get("n", 0)) + 1)}
                    if api("PUT", f"{MAPS}/c0", found).status == 200:
                        break

        threads = [threading.Thread(target=increment, args=(api,)) for api in apis]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert apis[0]("GET", f"{MAPS}/c0").body["data"] == {"n": "40"}
    finally:
        for process in processes:
            process.stop()


def test_a_quota_is_not_overrun_by_two_servers_at_once(server: Any, cluster: etcd.EtcdCluster, tmp_path: Path) -> None:
    processes = []
    for n in range(2):
        (tmp_path / str(n)).mkdir()
        processes.append(type(server)(tmp_path / str(n), "--store", f"etcd={cluster.endpoints[0]}"))
    try:
        apis = [process.start() for process in processes]
        apis[0].make("/api/v1/namespaces", {"metadata": {"name": "tight"}})
        place, hard = "/api/v1/namespaces/tight", {"pods": "12"}
        apis[0].make(f"{place}/resourcequotas", {"metadata": {"name": "q"}, "spec": {"hard": hard}})
        status = {"status": {"hard": hard, "used": {"pods": "0"}}}
        merge = "application/merge-patch+json"
        assert apis[0]("PATCH", f"{place}/resourcequotas/q/status", status, content_type=merge).status == 200
        assert apis[1]("GET", f"{place}/resourcequotas/q").body["status"]["used"] == {"pods": "0"}
        statuses: list[int] = []

        def fill(api: Any, prefix: str) -> None:
            for n in range(5):
                spec = {"containers": [{"name": "c", "image": "i"}]}
                made = api("POST", f"{place}/pods", {"metadata": {"name": f"{prefix}{n}"}, "spec": spec})
                statuses.append(made.status)

        threads = [threading.Thread(target=fill, args=(apis[n % 2], f"w{n}-")) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [201] * 12 + [403] * 18
        assert apis[0]("GET", f"{place}/resourcequotas/q").body["status"]["used"] == {"pods": "12"}
        assert len(apis[1]("GET", f"{place}/pods").body["items"]) == 12
    finally:
        for process in processes:
            process.stop()


def test_secrets_are_encrypted_on_the_disk_and_rewritten(server: Any, tmp_path: Path) -> None:
    file = tmp_path / "encryption.yaml"
    data = tmp_path / "data"
    data.mkdir()
    secrets = "/api/v1/namespaces/default/secrets"

    def configure(*providers: str) -> None:
        lines = "".join(f"  - {provider}\n" for provider in providers)
        file.write_text(
            "apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n"
            f"resources:\n- resources: [secrets]\n  providers:\n{lines}"
        )

    def stored(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in data.glob("store.db*"))

    one = 'aescbc: {keys: [{name: one, secret: "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]}'
    two = 'aesgcm: {keys: [{name: two, secret: "MTEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}]}'
    configure(one, "identity: {}")
    process = type(server)(data, "--encryption-provider-config", str(file))
    try:
        process.start().make(secrets, {"metadata": {"name": "s"}, "data": {"k": "bXktdGV4dA=="}})
        assert stored(b"k8s:enc:aescbc:v1:one:")
        assert not stored(b"bXktdGV4dA==")
        process.stop()
        configure(two, one)
        done = sampan("store", "rewrite", "--data-dir", str(data), "--encryption-provider-config", str(file))
        assert done.stdout.startswith("1 objects")
        configure(two)
        api = process.start()
        assert api("GET", f"{secrets}/s").body["data"] == {"k": "bXktdGV4dA=="}
        process.stop()
        configure("identity: {}")
        refused = sampan(
            "store", "rewrite", "--data-dir", str(data), "--encryption-provider-config", str(file), check=False
        )
        assert "k8s:enc:aesgcm:v1:two" in refused.stderr
    finally:
        process.stop()
