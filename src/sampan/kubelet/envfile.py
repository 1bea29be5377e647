"""Environment variables from a file in a volume of the pod, which an init container may have written (KEP-3721).

The format is a strict part of a POSIX shell's: `NAME='value'`, where the value is taken as it stands, newlines and all;
blank lines and lines that begin with `#` are passed over; anything else makes the file invalid ("Define Environment
Variable Values Using An Init Container", env file syntax).
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

from sampan.kubelet.podfiles import open_inside

MOST_BYTES = 1 << 20
ASSIGNMENT = re.compile(r"[ \t]*([^\s=#'][^\s=']*)[ \t]*=[ \t]*'([^']*)'[ \t\r]*(?:\n|\Z)")
PASSED_OVER = re.compile(r"[ \t\r]*(?:#[^\n]*)?(?:\n|\Z)")
OUTSIDE = (errno.EXDEV, errno.ELOOP)


class EnvFileError(Exception):
    """The file is there and cannot be used."""


def read(folder: Path, path: str) -> dict[str, str] | None:
    """The variables of the file `path` inside `folder`, None when it is not there; raises EnvFileError."""
    try:
        with open_inside(folder, path) as file:
            data = file.read(MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        why = "it leads out of its volume" if error.errno in OUTSIDE else error.strerror
        raise EnvFileError(f'couldn\'t open env file "{path}": {why}') from None
    if len(data) > MOST_BYTES:
        raise EnvFileError(f'env file "{path}" has more than {MOST_BYTES} bytes')
    try:
        return parse(data.decode())
    except ValueError as error:
        raise EnvFileError(f'couldn\'t parse env file "{path}": {error}') from None


def parse(text: str) -> dict[str, str]:
    """Raises ValueError, naming the line; of two values for one name the later counts, as in a shell."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = PASSED_OVER.match(text, position)
        if match is None:
            match = ASSIGNMENT.match(text, position)
            if match is None:
                line = text.count("\n", 0, position) + 1
                raise ValueError(f"line {line} is not of the form NAME='value'")
            found[match[1]] = match[2]
        position = match.end()
    return found
