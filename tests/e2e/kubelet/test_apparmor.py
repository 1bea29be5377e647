"""AppArmor's profiles, where the kernel enforces them: in the machine of scripts/test-debian."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from sampan.kubelet.machine import machine as this_machine

from .harness import Node, eventually
from .test_contents import output, shell

pytestmark = pytest.mark.skipif(not this_machine().apparmor, reason="this kernel enforces no AppArmor profiles")
PROFILE = "sampan-test-no-writes"
TEXT = f"""
profile {PROFILE} flags=(attach_disconnected,mediate_deleted) {{
  file,
  capability,
  signal,
  deny /tmp/** w,
}}
"""
WHO = "cat /proc/self/attr/current; (echo x > /tmp/x) 2>&1; :"


@pytest.fixture(scope="module")
def loaded() -> Iterator[str]:
    subprocess.run(["apparmor_parser", "-r"], input=TEXT, text=True, check=True)
    yield PROFILE
    subprocess.run(["apparmor_parser", "-R"], input=TEXT, text=True, check=True)


def profile(kind: str, **more: str) -> dict[str, Any]:
    return {"securityContext": {"appArmorProfile": {"type": kind, **more}}}


@pytest.mark.parametrize(
    ("container", "shown"),
    [
        ({}, "cri-containerd.apparmor.d (enforce)"),
        (profile("RuntimeDefault"), "cri-containerd.apparmor.d (enforce)"),
        (profile("Unconfined"), "unconfined"),
    ],
    ids=["none named", "the runtime's", "unconfined"],
)
async def test_what_holds_a_container(node: Node, container: dict[str, Any], shown: str) -> None:
    assert (await output(node, WHO, container=container)).splitlines() == [shown]


async def test_a_profile_of_the_nodes_own(node: Node, loaded: str) -> None:
    who, refused = (await output(node, WHO, container=profile("Localhost", localhostProfile=loaded))).splitlines()
    assert who == f"{loaded} (enforce)"
    assert "Permission denied" in refused


async def test_a_profile_by_annotation(node: Node, loaded: str) -> None:
    """As it was said before there was a field."""
    annotations = {"container.apparmor.security.beta.kubernetes.io/c": f"localhost/{loaded}"}
    text = await output(node, WHO, metadata={"annotations": annotations})
    assert text.startswith(f"{loaded} (enforce)")


async def test_a_profile_that_nobody_has_loaded(node: Node) -> None:
    node.pod(containers=[shell("true", **profile("Localhost", localhostProfile="sampan-test-none"))])
    await eventually(lambda: any("sampan-test-none" in event for event in node.events()), about=node.events)
    await eventually(lambda: "sampan-test-none" in refusal(node), about=node.container)


def refusal(node: Node) -> str:
    """What the status says of a container that could not be made."""
    container = node.container()
    waiting = container.state.waiting if container else None
    return str(waiting.message) if waiting and waiting.reason == "CreateContainerError" else ""
