"""The conversations recorded with upstream, as (request, answer before, answer) triples; none where they are absent."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path("/work/shared/reference/behaviour")


def cases(group: str) -> Iterator[dict[str, Any]]:
    path = FOLDER / f"{group}.jsonl.gz"
    if path.exists():
        with gzip.open(path, "rt") as lines:
            yield from map(json.loads, lines)


def patches(group: str, content_type: str) -> Iterator[tuple[str, Any, dict[str, Any], dict[str, Any]]]:
    """Each patch of that type: an identifier, the patch, the object it met (None: none) and the answer."""
    for case in cases(group):
        live = None
        for number, (step, answer) in enumerate(zip(case["steps"], case["answers"], strict=True)):
            if step.get("ct") == content_type and step["m"] == "PATCH":
                yield f"{case['id']}/{number}", step, live, answer
            if answer["status"] < 300 and answer["body"].get("kind") != "Status":
                live = answer["body"]
