"""What is remembered by content says what working it out anew would say."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from sampan.api import bycontent, defaults, validation, warnings
from sampan.api.bycontent import by_content
from sampan.api.kinds import core_v1
from sampan.api.registry import builtin
from sampan.codec.apply import created
from tests.unit.apiserver.admission.harness import api, pod

POD = builtin().kind("v1", "Pod")


def spec(name: str) -> Any:
    return core_v1.PodSpec(hostname=name)


def counted() -> tuple[Any, list[str]]:
    asked: list[str] = []

    @by_content
    def length(value: Any) -> int:
        asked.append(value.hostname)
        return len(value.hostname)

    return length, asked


def test_the_same_content_is_worked_out_once_and_another_anew() -> None:
    length, asked = counted()
    assert [length(spec(name)) for name in ("a", "a", "bb", "a")] == [1, 1, 2, 1]
    assert asked == ["a", "bb"]


def test_an_object_that_has_changed_has_another_content() -> None:
    length, _ = counted()
    changing = spec("a")
    assert length(changing) == 1
    changing.hostname = "long"
    assert length(changing) == 4


def test_what_is_remembered_is_bounded_in_number_and_size() -> None:
    length, asked = counted()
    for number in range(bycontent.MOST + 1):
        length(spec(f"h{number}"))
    length(spec("h0"))
    assert asked.count("h0") == 2
    large = "x" * bycontent.LONGEST
    assert length(spec(large)) == length(spec(large)) == len(large)
    assert asked.count(large) == 2


def test_what_is_shared_stands_for_all_that_say_the_same() -> None:
    length, asked = counted()
    first, second = bycontent.share(spec("same")), bycontent.share(spec("same"))
    assert first is second
    assert [length(first), length(second)] == [4, 4] and asked == ["same"]


def test_changing_what_is_shared_is_told() -> None:
    length, _ = counted()
    value = bycontent.share(spec("once"))
    value.hostname = "changed"
    with pytest.raises(AssertionError, match="was changed"):
        length(value)
    value.hostname = "once"


def test_what_is_shared_is_bounded_in_number_and_size() -> None:
    first = bycontent.share(spec("first"))
    for number in range(bycontent.MOST):
        bycontent.share(spec(f"s{number}"))
    assert not bycontent.is_shared(first)
    large = spec("x" * bycontent.LONGEST)
    assert bycontent.share(large) is large and not bycontent.is_shared(large)


def test_a_shared_spec_is_stored_as_any_other() -> None:
    """Empty lists and maps are dropped from what is stored, and kept in what is shared."""
    own, other = made(nodeSelector={}, tolerations=[]), made(nodeSelector={}, tolerations=[])
    other.spec = bycontent.share(other.spec)
    assert POD.encode(other) == POD.encode(own)
    assert other.spec.nodeSelector == {}


def made(name: str = "p", **fields: Any) -> Any:
    obj = POD.decode(b'{"metadata":{}}')
    obj.metadata.name, obj.metadata.namespace = name, "default"
    container = core_v1.Container(name="c", image="i")
    obj.spec = core_v1.PodSpec(containers=[container], **fields)
    defaults.apply(POD, obj)
    return obj


def test_what_is_wrong_is_told_each_time() -> None:
    told = [validation.create(POD, made(restartPolicy="Sometimes")) for _ in range(2)]
    assert [[e.field for e in errors] for errors in told] == [["spec.restartPolicy"]] * 2


def test_a_faultless_spec_does_not_excuse_its_pod() -> None:
    assert validation.create(POD, made()) == []
    assert [e.field for e in validation.create(POD, made("No"))] == ["metadata.name"]


def test_a_claim_that_is_named_after_its_pod_is_judged_with_it() -> None:
    template = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}}
    source = msgspec.convert({"volumeClaimTemplate": template}, core_v1.EphemeralVolumeSource)
    volumes = [core_v1.Volume(name="v", ephemeral=source)]
    assert validation.create(POD, made("short", volumes=volumes)) == []
    errors = validation.create(POD, made("p" * 253, volumes=volumes))
    assert [e.field for e in errors] == ["spec.volumes[0].name"]


def test_warnings_come_every_time() -> None:
    unwise = made(terminationGracePeriodSeconds=-1)
    first, second = warnings.create(POD, unwise), warnings.create(POD, unwise)
    assert first == second and len(first) == 1


@pytest.mark.parametrize("fields", [{}, {"hostNetwork": True}, {"nodeSelector": {"a": "b"}}])
def test_the_fields_of_a_second_pod_are_those_of_the_first(fields: dict[str, Any]) -> None:
    assert created.fields(made("a", **fields)) == created.fields(made("b", **fields))


async def test_pods_of_one_template_have_one_spec() -> None:
    async with api(disable_plugins=()) as server:
        place = "/api/v1/namespaces/default"
        await server.make(f"{place}/serviceaccounts", {"metadata": {"name": "default"}})
        one, other = [(await server.make(f"{place}/pods", pod(name)))["spec"] for name in ("p", "q")]
    assert one == other
