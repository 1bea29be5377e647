"""Runs the scenarios in tests/scenarios/controllers: what is there, what happens, what must be written.

A scenario names controllers, gives objects, and lists steps. A step may let something happen (`pass: seconds`, `ready:
true`, `end: true` for pods being deleted, `change:` a merge patch on an object, `remove:` and `delete:` an object, all
named `Kind namespace/name`), and says under `writes` exactly what the controllers then write (events aside; `x3`
counts, `*` stands for anything) and under `state` what objects must contain.

`allow` lists what access reviews allow. A CertificateSigningRequest's `request` is given as `user`, `groups`, `names`.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from sampan.api import defaults
from sampan.api.registry import builtin
from sampan.cluster import tokenkeys
from sampan.cluster.authority import Authority
from sampan.codec import mergepatch
from sampan.controllers.certificates.request import SIGNERS
from sampan.controllers.context import Config
from sampan.controllers.manager import CONTROLLERS
from sampan.testing.clock import VirtualClock
from tests.unit.controllers.certificates import encoded_request
from tests.unit.controllers.harness import World

FOLDER = Path(__file__).parents[2] / "scenarios" / "controllers"
GROUPS = (
    "certificates.k8s.io/v1",
    "v1",
    "apps/v1",
    "batch/v1",
    "discovery.k8s.io/v1",
    "coordination.k8s.io/v1",
    "policy/v1",
    "networking.k8s.io/v1",
    "rbac.authorization.k8s.io/v1",
    "storage.k8s.io/v1",
)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
async def test_scenario(path: Path, tmp_path: Path) -> None:
    scenario = load(path)
    by_name = {controller.name: controller for controller in CONTROLLERS}
    world = World(*(by_name[name] for name in scenario["controllers"]), config=config_of(path, tmp_path))
    world.api.allowed.update(scenario.get("allow", ()))
    world.api.add(*(build(value) for value in scenario["given"]))
    await world.start()
    try:
        for number, step in enumerate(scenario["steps"]):
            await play(world, step)
            check(world, step, f"{path.stem}, step {number}")
    finally:
        await world.stop()


def config_of(path: Path, folder: Path) -> Config | None:
    """What the scenario's controllers are told."""
    if "certificates" in path.stem:
        return Config(signing=authority(folder))
    if path.stem == "namespace-defaults":
        (folder / "ca.crt").write_text("CA")
        return Config(root_ca=folder / "ca.crt")
    if path.stem == "account-tokens":
        return Config(service_account_key=tokenkeys.ensure(folder))
    return None


def authority(folder: Path) -> dict[str, tuple[Path, Path]]:
    """One authority for all signers."""
    made = Authority(folder, VirtualClock())
    return dict.fromkeys(SIGNERS, (made.certificate_file, made.key_file))


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.safe_load(path.read_text()))


def build(value: dict[str, Any]) -> Any:
    kind = find(value["kind"])
    if "request" in (value.get("spec") or {}):
        value["spec"]["request"] = encoded_request(**value["spec"]["request"])
    obj = msgspec.convert({"apiVersion": kind.api_version, **value}, kind.struct)
    defaults.apply(kind, obj)
    return obj


def find(kind: str) -> Any:
    return next(found for group in GROUPS if (found := builtin()._by_kind.get((group, kind))))


def named(text: str) -> tuple[Any, str, str | None]:
    kind, _, key = text.partition(" ")
    namespace, _, name = key.rpartition("/")
    return find(kind).struct, name, namespace or None


async def play(world: World, step: dict[str, Any]) -> None:
    if step.get("ready"):
        world.become_ready()
    if step.get("end"):
        world.end_pods()
    for text, patch in step.get("change", {}).items():
        struct, name, namespace = named(text)
        await world.api.patch(struct, name, namespace, patch, subresource="status" if set(patch) == {"status"} else "")
        world.api.actions.clear()
    for text in step.get("remove", []):
        world.api.remove(*named(text))
    for text in step.get("delete", []):
        await world.api.delete(*named(text))
        world.api.actions.clear()
    await world.settle(step.get("pass", 1))


def check(world: World, step: dict[str, Any], where: str) -> None:
    if "writes" in step:
        written = Counter(world.writes())
        for pattern, count in expected(step["writes"]):
            matching = [text for text in written if fnmatch.fnmatchcase(text, pattern)]
            found = sum(written.pop(text) for text in matching)
            assert found == count, f"{where}: {pattern}: {found} times, not {count}; left: {dict(written)}"
        assert not written, f"{where}: also written: {dict(written)}"
    world.api.actions.clear()
    for text, part in step.get("state", {}).items():
        obj = world.api.peek(*named(text))
        assert obj is not None, f"{where}: no {text}"
        value = msgspec.json.decode(msgspec.json.encode(obj))
        assert mergepatch.apply(value, part) == value, f"{where}: {text} is {value}"
    for text in step.get("absent", []):
        assert world.api.peek(*named(text)) is None, f"{where}: {text} is still there"


def expected(writes: list[str]) -> list[tuple[str, int]]:
    """`create pods a/web-* x3` means three of them."""
    parsed = []
    for text in writes:
        head, _, times = text.rpartition(" x")
        parsed.append((head, int(times)) if times.isdigit() and head else (text, 1))
    return parsed
