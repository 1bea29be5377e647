"""`$(NAME)` in env values, commands and arguments.

A known name is replaced, an unknown one stays as written, and `$$` is a dollar sign that begins no reference:
`$$(NAME)` is the text `$(NAME)` ("Define Dependent Environment Variables").
"""

from __future__ import annotations

import re
from collections.abc import Mapping

REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, known: Mapping[str, str]) -> str:
    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        if name is None:
            return "$"
        return known.get(name, match[0])

    return REFERENCE.sub(replacement, text)
