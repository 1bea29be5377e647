"""Flow control's default configuration: what there is, whose it is, and schemas that lead nowhere."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from sampan.aio.clock import SystemClock
from sampan.api.kinds import flowcontrol_v1, meta_v1
from sampan.apiserver.config import Config
from sampan.apiserver.flowcontrol import defaults, maintenance
from sampan.apiserver.flowcontrol.defaults import AUTO_UPDATE
from sampan.apiserver.server import ApiServer
from sampan.store.memory import MemoryStore
from tests.unit.apiserver.admission.harness import Api, api

PLACE = "/apis/flowcontrol.apiserver.k8s.io/v1"
LEVELS, SCHEMAS = f"{PLACE}/prioritylevelconfigurations", f"{PLACE}/flowschemas"


async def got(server: Api, path: str) -> Any:
    status, found = await server("GET", path)
    assert status == 200, found
    return found


async def until(server: Api, path: str, holds: Any) -> Any:
    """The object once it is as wanted. Raises TimeoutError."""
    async with asyncio.timeout(10):
        while True:
            status, found = await server("GET", path)
            if holds(found if status == 200 else None):
                return found
            await asyncio.sleep(0)


def dangling(schema: Any) -> str:
    """The condition's status and reason, "" before it is told."""
    conditions = (schema.get("status") or {}).get("conditions") or [] if schema else []
    return " ".join(f"{c['status']} {c['reason']}" for c in conditions)


async def test_every_cluster_has_the_defaults_and_they_lead_somewhere() -> None:
    async with api() as server:
        levels, schemas = (await got(server, LEVELS))["items"], (await got(server, SCHEMAS))["items"]
    names = {level["metadata"]["name"] for level in levels}
    assert names == {"exempt", *defaults.LEVELS}
    assert [schema["metadata"]["name"] for schema in schemas] == sorted(defaults.SCHEMAS)
    assert {schema["spec"]["priorityLevelConfiguration"]["name"] for schema in schemas} == names
    assert {dangling(schema) for schema in schemas} == {"False Found"}


async def test_a_server_that_starts_again_writes_nothing() -> None:
    store = MemoryStore(SystemClock())
    revisions = []
    for _ in range(2):
        server = ApiServer(Config(), store, SystemClock(), random.Random(1))
        await store.start()
        await server.cache.start()
        await server.bootstrap.begin()
        revisions.append(server.cache.revision)
        await server.cache.close()
    assert revisions[0] == revisions[1] > 0


async def test_what_is_mandatory_stays_the_servers_whatever_anybody_says() -> None:
    async with api() as server:
        path = f"{SCHEMAS}/catch-all"
        assert (await server("PATCH", path, {"metadata": {"annotations": {AUTO_UPDATE: "false"}}}))[0] == 200
        await until(server, path, lambda found: found["metadata"]["annotations"][AUTO_UPDATE] == "true")
        await server("DELETE", path)
        await until(server, path, lambda found: found is not None)


@pytest.mark.parametrize(("annotation", "mended"), [("true", True), ("false", False)])
async def test_what_is_suggested_is_mended_as_long_as_it_is_the_servers(annotation: str, mended: bool) -> None:
    async with api() as server:
        path = f"{SCHEMAS}/system-nodes"
        before = (await got(server, path))["spec"]
        change = {"metadata": {"annotations": {AUTO_UPDATE: annotation}}, "spec": {"matchingPrecedence": 77}}
        assert (await server("PATCH", path, change))[0] == 200
        await server("DELETE", f"{SCHEMAS}/probes")
        await until(server, f"{SCHEMAS}/probes", lambda found: found is not None)  # it has been looked
        spec = (await got(server, path))["spec"]
    assert spec == (before if mended else before | {"matchingPrecedence": 77})


async def test_what_no_version_keeps_any_more_goes() -> None:
    async with api() as server:
        old = (await got(server, f"{SCHEMAS}/service-accounts")) | {"metadata": {"name": "old", "annotations": {}}}
        await server.make(SCHEMAS, old)
        await until(server, f"{SCHEMAS}/old", lambda found: dangling(found) == "False Found")
        annotated = {"metadata": {"annotations": {AUTO_UPDATE: "true"}}}
        assert (await server("PATCH", f"{SCHEMAS}/old", annotated))[0] == 200
        await until(server, f"{SCHEMAS}/old", lambda found: found is None)


async def test_a_schema_is_told_when_its_level_comes_and_goes() -> None:
    async with api() as server:
        schema = await got(server, f"{SCHEMAS}/service-accounts")
        spec = schema["spec"] | {"priorityLevelConfiguration": {"name": "mine"}}
        await server.make(SCHEMAS, {"metadata": {"name": "mine"}, "spec": spec})
        found = await until(server, f"{SCHEMAS}/mine", lambda found: dangling(found) == "True NotFound")
        assert found["status"]["conditions"][0]["message"] == (
            'This FlowSchema references the PriorityLevelConfiguration object named "mine" but there is no such object'
        )
        level = (await got(server, f"{LEVELS}/workload-low"))["spec"]
        await server.make(LEVELS, {"metadata": {"name": "mine"}, "spec": level})
        await until(server, f"{SCHEMAS}/mine", lambda found: dangling(found) == "False Found")
        await server("DELETE", f"{LEVELS}/mine")
        await until(server, f"{SCHEMAS}/mine", lambda found: dangling(found) == "True NotFound")


@pytest.mark.parametrize(
    ("annotation", "generation", "kept", "afterwards"),
    [
        (None, 1, True, "true"),  # of a version that did not annotate yet, and nobody has changed it
        (None, 2, False, "false"),
        ("perhaps", 2, False, "false"),
    ],
)
def test_an_object_without_an_annotation_is_the_servers_until_it_is_changed(
    annotation: str | None, generation: int, kept: bool, afterwards: str
) -> None:
    (wanted,) = [schema for schema in defaults.schemas() if schema.metadata.name == "system-nodes"]
    annotations = {AUTO_UPDATE: annotation} if annotation else None
    metadata = meta_v1.ObjectMeta(name="system-nodes", generation=generation, annotations=annotations)
    present = flowcontrol_v1.FlowSchema(metadata=metadata, spec=flowcontrol_v1.FlowSchemaSpec(matchingPrecedence=3))
    assert maintenance.kept(present) is kept
    assert maintenance.mend(present, wanted)
    mended = maintenance.mended(present, wanted)
    assert mended.metadata.annotations[AUTO_UPDATE] == afterwards
    assert (mended.spec == wanted.spec) is kept
    assert not maintenance.mend(mended, wanted)
