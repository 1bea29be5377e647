"""What the documentation shows for testing runs as it stands there: docs/testing.md and the examples in Python."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs/testing.md").read_text(), re.MULTILINE | re.DOTALL)
SCRIPTS = [block for block in BLOCKS if not block.startswith("# test_")]
TESTS = [block for block in BLOCKS if block.startswith("# test_")]
PLUGIN = "sampan.testing.pytest_plugin"
"""Its entry point has this name too, so that naming it here does not load it twice."""
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONWARNINGS": "error::ResourceWarning"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_an_example_on_the_page_runs(tmp_path: Path, number: int) -> None:
    (tmp_path / "shown.py").write_text(SCRIPTS[number])
    done = run(tmp_path, "shown.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_pytest_example_on_the_page_passes(tmp_path: Path) -> None:
    assert len(TESTS) == 1
    (tmp_path / "test_web.py").write_text(TESTS[0])
    done = run(
        tmp_path, "-m", "pytest", "-q", "-p", "sampan.testing.pytest_plugin", "-p", "no:cacheprovider", "test_web.py"
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_in_python_runs(tmp_path: Path, path: Path) -> None:
    done = run(tmp_path, str(path))
    assert done.returncode == 0, done.stdout + done.stderr
