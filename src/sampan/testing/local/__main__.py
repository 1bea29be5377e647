"""`python -m sampan.testing.local FOLDER`: the child process of `child`."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from sampan.cluster import process
from sampan.testing.local.child import serve


def main() -> None:
    logging.basicConfig(level="WARNING", format="%(asctime)s %(levelname).1s %(name)s: %(message)s")
    process.run(lambda: serve(Path(sys.argv[1]), sys.stdin.buffer))


if __name__ == "__main__":
    main()
