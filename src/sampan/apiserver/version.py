"""What `/version` says (version.Info of the API reference)."""

from __future__ import annotations

import platform
import sys

import msgspec

import sampan

KUBERNETES = "1.36"


def git_version() -> str:
    """`v1.36.0+sampan...`: clients compare the first part, people read the second."""
    return f"v{KUBERNETES}.0+sampan.{sampan.__version__}"


def document() -> bytes:
    """The JSON document."""
    return msgspec.json.encode(information())


def information() -> dict[str, str]:
    """What it says."""
    major, minor = KUBERNETES.split(".")
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": git_version(),
        "gitCommit": "unknown",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "compiler": platform.python_implementation().lower(),
        "platform": f"linux/{machine}",
    }
