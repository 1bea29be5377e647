"""Environment variables, `$(NAME)`, and what a pod is told of services."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.kubelet import envfile
from sampan.kubelet.environment import ConfigError, container_environment, service_variables
from sampan.kubelet.expansion import expand

from ..volumes.harness import World

KNOWN = {"A": "1", "B": "two"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("x$(A)y$(B)z", "x1ytwoz"),
        ("$(NONE)", "$(NONE)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$(A)", "$$(A)"),
        ("$A", "$A"),
        ("$(A", "$(A"),
        ("$", "$"),
        ("a$", "a$"),
        ("$()", "$()"),
        ("$($(A))", "$($(A))"),
    ],
)
def test_expansion(text: str, expanded: str) -> None:
    assert expand(text, KNOWN) == expanded


def service(name: str, ip: str | None, *ports: dict[str, Any], namespace: str = "ns") -> Any:
    body = {"metadata": {"name": name, "namespace": namespace}, "spec": {"clusterIP": ip, "ports": list(ports)}}
    return msgspec.convert(body, core_v1.Service)


def test_service_variables_are_upstreams() -> None:
    web = service(
        "my-web", "10.0.0.9", {"name": "http-alt", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}
    )
    assert service_variables([web], "ns", links=True) == {
        "MY_WEB_SERVICE_HOST": "10.0.0.9",
        "MY_WEB_SERVICE_PORT": "80",
        "MY_WEB_SERVICE_PORT_HTTP_ALT": "80",
        "MY_WEB_SERVICE_PORT_DNS": "53",
        "MY_WEB_PORT": "tcp://10.0.0.9:80",
        "MY_WEB_PORT_80_TCP": "tcp://10.0.0.9:80",
        "MY_WEB_PORT_80_TCP_PROTO": "tcp",
        "MY_WEB_PORT_80_TCP_PORT": "80",
        "MY_WEB_PORT_80_TCP_ADDR": "10.0.0.9",
        "MY_WEB_PORT_53_UDP": "udp://10.0.0.9:53",
        "MY_WEB_PORT_53_UDP_PROTO": "udp",
        "MY_WEB_PORT_53_UDP_PORT": "53",
        "MY_WEB_PORT_53_UDP_ADDR": "10.0.0.9",
    }


def test_only_the_namespaces_own_and_the_api() -> None:
    services = [
        service("kubernetes", "10.96.0.1", {"port": 443}, namespace="default"),
        service("other", "10.0.0.1", {"port": 1}, namespace="default"),
        service("mine", "10.0.0.2", {"port": 1}),
        service("headless", "None", {"port": 1}),
    ]
    assert {name.split("_")[0] for name in service_variables(services, "ns", links=True)} == {"KUBERNETES", "MINE"}
    assert {name.split("_")[0] for name in service_variables(services, "ns", links=False)} == {"KUBERNETES"}


async def variables(
    tmp_path: Path, container: dict[str, Any], skipped: list[tuple[str, ...]] | None = None
) -> dict[str, str]:
    skipped = [] if skipped is None else skipped
    world = World(tmp_path, [], containers=[{"name": "c", **container}])
    world.config_map("cm", color="blue", size="9")
    world.objects.secrets["s"] = core_v1.Secret(data={"key": base64.b64encode(b"hush").decode()})
    return await container_environment(
        world.pod.spec.containers[0],
        world.volumes,
        {"SVC": "1", "A": "service"},
        paths={"files": tmp_path},
        skipped=lambda source, names: skipped.append((source, *names)),
    )


async def test_later_wins_and_may_use_what_came_before(tmp_path: Path) -> None:
    found = await variables(
        tmp_path,
        {
            "envFrom": [{"configMapRef": {"name": "cm"}}, {"prefix": "S_", "secretRef": {"name": "s"}}],
            "env": [
                {"name": "A", "value": "$(SVC)$(size)"},
                {"name": "B", "value": "$(A)$(LATER)"},
                {"name": "LATER", "value": "x"},
                {"name": "size", "value": "mine"},
            ],
        },
    )
    assert found == {
        "SVC": "1",
        "color": "blue",
        "size": "mine",
        "S_key": "hush",
        "A": "19",
        "B": "19$(LATER)",
        "LATER": "x",
    }


def file_key(path: str, key: str, **more: Any) -> dict[str, Any]:
    return {"fileKeyRef": {"volumeName": "files", "path": path, "key": key, **more}}


def env_files(folder: Path) -> None:
    """As init containers may leave them, with the worst of intentions."""
    (folder / "good.env").write_text("# settings\n\n  A = 'one'\nB='two\nlines # \"$A\"'\r\nA='last'")
    (folder / "bad.env").write_text("A='a'\nB=b\n")
    (folder / "big.env").write_text("#" * ((1 << 20) + 1))
    (folder / "out.env").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.env")


async def test_values_from_files(tmp_path: Path) -> None:
    env_files(tmp_path)
    sources = {
        "A": file_key("good.env", "A"),
        "B": file_key("good.env", "B"),
        "NONE": file_key("good.env", "NONE", optional=True),
        "GONE": file_key("gone.env", "A", optional=True),
    }
    env = [{"name": name, "valueFrom": source} for name, source in sources.items()]
    found = await variables(tmp_path, {"env": [*env, {"name": "C", "value": "$(A)!"}]})
    assert {name: found.get(name) for name in [*sources, "C"]} == {
        "A": "last",
        "B": 'two\nlines # "$A"',
        "NONE": None,
        "GONE": None,
        "C": "last!",
    }


@pytest.mark.parametrize("text", ["A=b", 'A="b"', "A='b''c'", "A='b'$C", "A='b", "='b'", "A B='c'", "A='b' # why"])
def test_what_no_env_file_may_have(text: str) -> None:
    with pytest.raises(ValueError, match="line 2 is not"):
        envfile.parse(f"#\n{text}\n")


async def test_keys_that_cannot_be_names_are_told(tmp_path: Path) -> None:
    skipped: list[tuple[str, ...]] = []
    source = {"prefix": "a=", "configMapRef": {"name": "cm"}}
    found = await variables(tmp_path, {"envFrom": [source, {"secretRef": {"name": "s"}}]}, skipped)
    assert (found["key"], skipped) == ("hush", [("configMap ns/cm", "a=color", "a=size")])


async def test_values_from_elsewhere(tmp_path: Path) -> None:
    sources = {
        "KEY": {"secretKeyRef": {"name": "s", "key": "key"}},
        "COLOR": {"configMapKeyRef": {"name": "cm", "key": "color"}},
        "NONE": {"configMapKeyRef": {"name": "cm", "key": "none", "optional": True}},
        "GONE": {"secretKeyRef": {"name": "gone", "key": "k", "optional": True}},
        "IP": {"fieldRef": {"fieldPath": "status.podIP"}},
        "HOST": {"fieldRef": {"fieldPath": "status.hostIP"}},
        "LABEL": {"fieldRef": {"fieldPath": "metadata.labels['b']"}},
        "CPU": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}},
        "MEMORY": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Gi"}},
    }
    found = await variables(
        tmp_path,
        {
            "env": [{"name": name, "valueFrom": source} for name, source in sources.items()],
            "resources": {"requests": {"cpu": "250m"}},
        },
    )
    assert {name: found.get(name) for name in sources} == {
        "KEY": "hush",
        "COLOR": "blue",
        "NONE": None,
        "GONE": None,
        "IP": "10.0.0.5",
        "HOST": "192.0.2.1",
        "LABEL": "2",
        "CPU": "250",
        "MEMORY": "8",
    }


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "cm", "key": "x"}}, "couldn't find key x in ConfigMap ns/cm"),
        ({"secretKeyRef": {"name": "none", "key": "x"}}, 'secret "none" not found'),
        ({"fieldRef": {"fieldPath": "spec.x"}}, "unsupported fieldPath: spec.x"),
        (file_key("none.env", "A"), 'env file "none.env" not found in volume "files"'),
        (file_key("good.env", "Z"), 'environment variable key "Z" not found in file "good.env"'),
        (file_key("bad.env", "A"), "couldn't parse env file \"bad.env\": line 2 is not of the form NAME='value'"),
        (file_key("out.env", "A"), 'couldn\'t open env file "out.env": it leads out of its volume'),
        (file_key("pipe.env", "A"), 'couldn\'t open env file "pipe.env": not a regular file'),
        (file_key("big.env", "A"), 'env file "big.env" has more than 1048576 bytes'),
    ],
)
async def test_what_is_missing_is_said(tmp_path: Path, source: dict[str, Any], message: str) -> None:
    env_files(tmp_path)
    with pytest.raises(ConfigError, match=message):
        await variables(tmp_path, {"env": [{"name": "X", "valueFrom": source}]})
