"""`Warning` headers: what a client is told beside its answer (KEP-1693; RFC 7234, 5.5).

Bounded as upstream bounds them: together 4,096 characters, and when they are longer, each is cut to 256.
"""

from __future__ import annotations

from collections.abc import Iterable

TOTAL = 4096
EACH = 256


def of(texts: Iterable[str]) -> list[bytes]:
    """The headers' values, in the order the texts came, each text once."""
    different = list(dict.fromkeys(text for text in texts if text))
    if sum(map(len, different)) <= TOTAL:
        return [header(text) for text in different]
    values, written = [], 0
    for text in different:
        values.append(header(text[:EACH]))
        written += min(len(text), EACH)
        if written >= TOTAL:
            break
    return values


def header(text: str) -> bytes:
    """Code 299, no agent, the text as a quoted string."""
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'.encode().replace(b"\r", b" ").replace(b"\n", b" ")
