"""The volume that is known by sight is one that nothing is wrong with, and nobody changes it."""

from __future__ import annotations

import msgspec

from sampan.api import accountvolume
from sampan.api.validation.core import volumes
from tests.unit.apiserver.admission.harness import api, pod


def test_the_rules_find_nothing_wrong_with_it() -> None:
    known = accountvolume.projected()
    errors: list[object] = []
    paths: set[str] = set()
    for index, each in enumerate(known.sources):
        volumes.projected_source(each, paths, errors, f"sources[{index}]")
    volumes.mode(known.defaultMode, errors, "defaultMode")
    assert errors == []


def test_what_only_looks_like_it_is_judged() -> None:
    known = accountvolume.projected()
    other = msgspec.json.decode(msgspec.json.encode(known), type=type(known))
    other.sources[0].serviceAccountToken.expirationSeconds = 1
    errors: list[object] = []
    volumes.projected(other, errors, "p")  # type: ignore[arg-type]
    assert len(errors) == 1


async def test_pods_leave_it_as_it_is() -> None:
    before = msgspec.json.encode(accountvolume.projected())
    async with api(disable_plugins=()) as server:
        place = "/api/v1/namespaces/default"
        await server.make(f"{place}/serviceaccounts", {"metadata": {"name": "default"}})
        made = await server.make(f"{place}/pods", pod("p"))
        assert made["spec"]["volumes"][0]["projected"] == msgspec.json.decode(before)
        await server("PUT", f"{place}/pods/p", made | {"metadata": made["metadata"] | {"labels": {"a": "b"}}})
    assert msgspec.json.encode(accountvolume.projected()) == before
