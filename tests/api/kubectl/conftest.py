"""kubectl as people have it: the current one, and one six years older where the machine has it."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from ..conftest import Api

CURRENT = "kubectl"
OLD = os.environ.get("SAMPAN_OLD_KUBECTL", "")


class Kubectl:
    """One program, in a namespace of the test's own."""

    def __init__(self, api: Api, namespace: str, program: str) -> None:
        self._api = api
        self._namespace = namespace
        self.program = program
        self.namespace = namespace

    def run(self, *arguments: str, stdin: Any = "", check: bool = True, **environment: str) -> Any:
        """The finished process; `stdin` may be an object."""
        text = stdin if isinstance(stdin, str) else json.dumps(stdin)
        namespaced = ("-n", self._namespace, *arguments)
        return self._api.kubectl(*namespaced, stdin=text, check=check, program=self.program, **environment)

    def __call__(self, *arguments: str, stdin: Any = "", **environment: str) -> str:
        """What it printed; it must succeed."""
        return str(self.run(*arguments, stdin=stdin, **environment).stdout)

    def get(self, *arguments: str) -> Any:
        """The object."""
        return json.loads(self("get", *arguments, "-o", "json"))


def program_of(age: str) -> str:
    """Skips where there is no such kubectl."""
    found = shutil.which(CURRENT if age == "current" else OLD or "kubectl-of-old")
    if found is None:
        pytest.skip(f"no {age} kubectl on this machine: scripts/test installs it")
    return found


@pytest.fixture(params=["current", "old"])
def kubectl(request: pytest.FixtureRequest, api: Api, namespace: str) -> Kubectl:
    """Of both ages."""
    return Kubectl(api, namespace, program_of(request.param))


@pytest.fixture
def editor(tmp_path: Path) -> Any:
    """Makes an EDITOR that replaces one text by another in what it is given, and keeps what it saw."""

    def make(old: str, new: str) -> dict[str, str]:
        script = tmp_path / "editor"
        script.write_text(f'#!/bin/sh\ncp "$1" {tmp_path}/seen\nsed -i "s|{old}|{new}|" "$1"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        return {"KUBE_EDITOR": str(script), "EDITOR": str(script)}

    return make
