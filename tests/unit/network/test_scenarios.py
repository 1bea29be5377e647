from __future__ import annotations

import os
from pathlib import Path

import pytest

from .scenarios import FOLDER, Story, sections


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    """SAMPAN_WRITE_SCENARIOS=1 writes what comes out into the file instead, to be read before it is committed."""
    story = Story()
    played = [(name, body, story.play(name, body)) for name, body in sections(path.read_text())]
    if os.environ.get("SAMPAN_WRITE_SCENARIOS"):
        path.write_text("".join(f"--- {name}\n{result}\n" for name, _, result in played))
    for name, body, result in played:
        assert result == body, f"section {name}"
