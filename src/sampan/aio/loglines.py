r"""Log records, one line each, whatever the words in them.

A log is read line by line, by people at terminals and by programs. Text that comes from outside (a name, an error's
message, a path) may hold line breaks, which would make up records, and control sequences, which a terminal obeys
(CVE-2021-25743). Both are shown, not done: a line break becomes the two characters `\n`. Only a traceback keeps its
lines, each of which is indented, so that none looks like a record.
"""

from __future__ import annotations

import logging

CONTROLS = {code: f"\\x{code:02x}" for code in range(0x20)}
CONTROLS |= {ord(c): text for c, text in (("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))}
CONTROLS |= {
    code: f"\\u{code:04x}"
    for code in (*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
}
"""C0, DEL and C1 controls, further line breaks, and what turns the direction of writing."""
FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


def visible(text: str) -> str:
    """The text with control characters spelled out."""
    return text if text.isprintable() else text.translate(CONTROLS)


class OneLine(logging.Formatter):
    """Formats a record as one line, and its traceback indented below."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = visible(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        return _indented(super().formatException(ei))  # type: ignore[arg-type]

    def formatStack(self, stack_info: str) -> str:
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join("    " + visible(line) for line in text.split("\n"))


def to_stderr(level: str, format_: str = FORMAT) -> None:
    """Log to the standard error in this form, from `level` ("info", ...) on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(format_))
    logging.basicConfig(level=level.upper(), handlers=[handler])
