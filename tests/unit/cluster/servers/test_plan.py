"""Where each of several servers is, and what is refused before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampan.cluster import components, identities, storage
from sampan.cluster.errors import ClusterError
from sampan.cluster.options import Options
from sampan.cluster.preflight import check_servers, check_store
from sampan.cluster.servers.plan import Plan

THREE = Options(data_dir="/d", servers=3, server_cidr="172.31.255.0/27", node_name="n", node_ip="192.0.2.7")


def test_each_server_has_an_address_and_every_process_its_own() -> None:
    plan = Plan(THREE)
    assert plan.gateway == "172.31.255.1"
    assert plan.addresses == ["172.31.255.2", "172.31.255.3", "172.31.255.4"]
    names = ["apiserver-1", "apiserver-2", "apiserver-3", "balancer", "controllers-1", "controllers-2", "controllers-3"]
    assert list(components.processes(THREE)) == [*names, "agent"]
    assert list(components.processes(Options())) == ["apiserver", "controllers", "agent"]


def test_a_server_asks_its_own_member_first() -> None:
    first, second, third = (f"https://172.31.255.{host}:2379" for host in (2, 3, 4))
    assert storage.store_name(THREE, list(Plan(THREE))[1]) == f"etcd={second},{first},{third}"
    assert storage.store_name(Options()) == "sqlite"


def test_members_show_certificates_to_clients_and_to_each_other() -> None:
    command = Plan(THREE).etcd_command(next(iter(Plan(THREE))))
    assert "--client-cert-auth=true" in command
    assert "--peer-client-cert-auth=true" in command
    assert "--trusted-ca-file=/d/pki/etcd-ca.crt" in command
    assert not any("http://" in word for word in command)
    made = {identity.file: identity for identity in identities.identities(THREE)}
    assert made["etcd-2"].authority == "etcd-ca"
    assert "172.31.255.3" in made["etcd-2"].hosts
    assert {"172.31.255.2", "172.31.255.4"} <= set(made["apiserver"].hosts)
    assert made["apiserver-etcd-client"].hosts == ()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"servers": 2}, "choose 1, 3, 5 or 7"),
        ({"servers": 9}, "choose 1, 3, 5 or 7"),
        ({"servers": 3, "store": "etcd=http://a:1"}, "leave out --store"),
        ({"servers": 3, "server_cidr": "172.31.255.0/30"}, "no room for 3 servers"),
        ({"servers": 3, "server_cidr": "10.96.4.0/24"}, "lies in --service-cidr"),
        ({"servers": 3, "server_cidr": "10.244.0.0/24"}, "lies in --cluster-cidr"),
        ({"servers": 3, "server_cidr": "nonsense"}, "--server-cidr nonsense"),
        ({"servers": 3, "server_cidr": "fd00::/64"}, "--server-cidr fd00::/64"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_do(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ClusterError, match=said):
        check_servers(Options(**wrong))  # type: ignore[arg-type]


def test_one_server_needs_nothing(tmp_path: Path) -> None:
    check_servers(Options(data_dir=str(tmp_path), store="etcd=http://10.0.0.1:2379"))
    assert not Plan(Options())


def test_a_store_that_no_server_could_open_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "encryption.yaml"
    wrong.write_text("kind: Nonsense\n")
    for given, said in (
        ({"encryption_provider_config": str(wrong)}, "encryption.yaml: want kind EncryptionConfiguration"),
        ({"encryption_provider_config": str(tmp_path / "none")}, "cannot be read"),
        ({"store": "postgres"}, "is no store: say sqlite"),
        ({"store": "etcd=https://a:1", "etcd_certfile": "/c"}, "go together"),
    ):
        with pytest.raises(ClusterError, match=said):
            check_store(Options(data_dir=str(tmp_path), **given))
    check_store(Options(data_dir=str(tmp_path), store="etcd=http://a:1"))
