"""`python -m sampan.testing.local FOLDER`: the child process of `child`."""

from __future__ import annotations

import sys
from pathlib import Path

from sampan.aio import loglines
from sampan.cluster import process
from sampan.testing.local.child import serve


def main() -> None:
    loglines.to_stderr("warning")
    process.run(lambda: serve(Path(sys.argv[1]), sys.stdin.buffer))


if __name__ == "__main__":
    main()
