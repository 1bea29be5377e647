"""Recorded conversations with upstream, held against a live server of ours.

The recordings lie in `shared/reference/behaviour` beside the project, are facts to test against, and are no part of
it: without them these tests are skipped. What differs on purpose stands in `behaviour_differences.toml`, each with its
reason; a case listed there that agrees after all fails, too, so that the list stays true.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import time
import tomllib
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from .conftest import ADMIN, Api

FOLDER = Path(__file__).parents[2].parent / "shared" / "reference" / "behaviour"
KNOWN = tomllib.loads((Path(__file__).parent / "behaviour_differences.toml").read_text())
DIFFERENCES: dict[str, str] = KNOWN["differs"]
NOT_REPLAYED: dict[str, str] = KNOWN["not_replayed"]
SHARDS = {"invalid": 8}
TELLINGS = 5
GROUPS = sorted(path.name.removesuffix(".jsonl.gz") for path in FOLDER.glob("*.jsonl.gz"))
PARTS = [(group, shard) for group in GROUPS for shard in range(SHARDS.get(group, 1))]


@pytest.fixture(scope="module")
def replay() -> ModuleType:
    spec = importlib.util.spec_from_file_location("replay", FOLDER / "replay.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def recorded(special_server: Callable[..., Api]) -> Api:
    """A server as upstream's was when the conversations were recorded."""
    return special_server("--disable-admission-plugins", "ServiceAccount")


def cases(group: str, shard: int) -> Iterator[dict[str, Any]]:
    with gzip.open(FOLDER / f"{group}.jsonl.gz", "rt") as lines:
        for line in lines:
            case = json.loads(line)
            mine = zlib.crc32(case["id"].encode()) % SHARDS.get(group, 1) == shard
            if mine and case["id"] not in NOT_REPLAYED:
                yield case


@pytest.mark.skipif(not PARTS, reason=f"the recordings are not there: {FOLDER}")
@pytest.mark.parametrize(("group", "shard"), PARTS or [("none", 0)])
def test_group_agrees_with_upstream(replay: ModuleType, recorded: Api, group: str, shard: int) -> None:
    server = replay.Server(recorded.url, ADMIN)
    wrong: list[str] = []
    for number, case in enumerate(cases(group, shard)):
        difference = lasting(replay, server, case, f"b-{group}-{shard}-{number}")
        if bool(difference) != (case["id"] in DIFFERENCES):
            wrong.append(f"{case['id']}: {difference or 'agrees by now: take it off the list of differences'}")
    if server.conn is not None:
        server.conn.close()
    assert not wrong, "\n".join(wrong[:40])


def lasting(replay: ModuleType, server: Any, case: dict[str, Any], namespace: str) -> str:
    """As `disagreement`, of a telling that saw one second only, as upstream's did: owners of fields are sorted by the
    second in which they wrote.
    """
    for telling in range(TELLINGS):
        began = int(time.time())
        found = disagreement(replay, server, case, f"{namespace}-{telling}")
        if not found or int(time.time()) == began:
            return found
    return found


def disagreement(replay: ModuleType, server: Any, case: dict[str, Any], namespace: str) -> str:
    """The first step that answers otherwise than upstream, and how; "" when all agree."""
    answers = zip(case["answers"], replay.run(server, case, namespace), strict=True)
    for number, (want, have) in enumerate(answers):
        if found := replay.differs(want, have, "body"):
            return f"step {number} {case['steps'][number]['m']} {case['steps'][number]['p']}: {found}"
    return ""
