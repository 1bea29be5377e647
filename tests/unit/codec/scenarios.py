"""Reads the scenario files: sections that begin with `--- name`, each YAML."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sampan.codec import yaml

FOLDER = Path(__file__).parents[2] / "scenarios" / "codec"


def files(prefix: str) -> list[Path]:
    found = sorted(FOLDER.glob(f"{prefix}-*.txt"))
    assert found, f"no scenarios {prefix}-*.txt in {FOLDER}"
    return found


def sections(path: Path) -> Iterator[tuple[str, Any]]:
    for part in ("\n" + path.read_text()).split("\n--- ")[1:]:
        name, _, body = part.partition("\n")
        yield name.strip(), yaml.decode(body, strict=True)
