"""What a container's volumeMounts become for the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sampan.api.kinds import core_v1
from sampan.cri.messages import pb
from sampan.kubelet.environment import ConfigError
from sampan.kubelet.mounts import is_recursive, volume_mount
from sampan.kubelet.observed import Container
from sampan.kubelet.volumestatus import user, volume_mounts
from sampan.volumes.interface import Made

ASKS = 'volume "v" requested recursive read-only mode, but it is '


def spec(**mount: Any) -> Any:
    body = {"name": "c", "volumeMounts": [{"name": "v", "mountPath": "data", **mount}]}
    return msgspec.convert(body, core_v1.Container)


async def mounted(read_only: bool = False, users: int | None = None, **mount: Any) -> Any:
    made = {"v": Made(Path("/pods/u/v"), read_only)}
    return await volume_mount(spec(**mount), 0, made, None, {"A": "x"}, recursive=True, users=users)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mount", "possible", "expected"),
    [
        ({}, True, False),
        ({"readOnly": True, "recursiveReadOnly": "Disabled"}, True, False),
        ({"readOnly": True, "recursiveReadOnly": "IfPossible"}, True, True),
        ({"readOnly": True, "recursiveReadOnly": "IfPossible"}, False, False),
        ({"readOnly": True, "recursiveReadOnly": "Enabled"}, True, True),
        ({"readOnly": True, "recursiveReadOnly": "Enabled"}, False, f"{ASKS}not supported by the runtime"),
        ({"recursiveReadOnly": "IfPossible"}, True, f"{ASKS}not read-only"),
        (
            {"readOnly": True, "recursiveReadOnly": "Enabled", "mountPropagation": "HostToContainer"},
            True,
            f'{ASKS}not compatible with propagation "HostToContainer"',
        ),
    ],
)
def test_recursively_read_only(mount: dict[str, Any], possible: bool, expected: bool | str) -> None:
    (asked,) = spec(**mount).volumeMounts
    if isinstance(expected, str):
        with pytest.raises(ConfigError) as refusal:
            is_recursive(asked, possible)
        assert str(refusal.value) == expected
    else:
        assert is_recursive(asked, possible) is expected


async def test_paths_propagation_and_whose_ids() -> None:
    found = await mounted(users=65536, mountPropagation="Bidirectional")
    assert (found.container_path, found.host_path, found.readonly) == ("/data", "/pods/u/v", False)
    assert found.propagation == pb.PROPAGATION_BIDIRECTIONAL
    assert (found.uidMappings[0].host_id, found.gidMappings[0].length) == (65536, 65536)


async def test_what_the_volume_forbids_no_mount_allows() -> None:
    assert (await mounted(read_only=True, readOnly=False)).readonly


@pytest.mark.parametrize("expression", ["$(NONE)/x", "../$(A)", "/$(A)"])
async def test_sub_paths_that_are_none(expression: str) -> None:
    with pytest.raises(ConfigError, match="gives no path"):
        await mounted(subPathExpr=expression)


async def test_a_volume_that_was_not_set_up() -> None:
    with pytest.raises(ConfigError, match="was not set up"):
        await volume_mount(spec(), 0, {}, None, {}, recursive=False, users=None)  # type: ignore[arg-type]


def test_how_it_shows_in_the_status() -> None:
    running = Container(id="1", name="c", sandbox_id="s", recursive_mounts=("/data",), user=(1000, 0, (0, 7)))
    (told,) = volume_mounts(spec(readOnly=True), running) or ()
    assert (told.name, told.mountPath, told.readOnly, told.recursiveReadOnly) == ("v", "data", True, "Enabled")
    (told,) = volume_mounts(spec(readOnly=True), None) or ()
    assert told.recursiveReadOnly == "Disabled"
    (told,) = volume_mounts(spec(), running) or ()
    assert told.recursiveReadOnly is None
    assert user(running).linux.supplementalGroups == [0, 7]
    assert user(None) is None
