"""The message a container leaves when it ends: a file of its own, or else the end of its log.

At most 4,096 bytes of the file at `terminationMessagePath`; with the policy FallbackToLogsOnError, a container that
failed and wrote none is given the last 2,048 bytes or 80 lines of its log ("Determine the Reason for Pod Failure").
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sampan.kubelet import labels
from sampan.kubelet.logformat import last_lines
from sampan.kubelet.podfiles import open_regular

FILE_BYTES = 4096
LOG_BYTES = 2048
LOG_LINES = 80


def termination_message(status: Any, log_folder: Path) -> str:
    """From a ContainerStatus of an ended container; the runtime's own message when it left none."""
    path = status.annotations.get(labels.TERMINATION_FILE)
    text = file_message(Path(path)) if path else ""
    if text:
        return text
    if status.annotations.get(labels.TERMINATION_POLICY) == "FallbackToLogsOnError" and status.exit_code:
        text = log_message(Path(status.log_path))
    return text or status.message


def file_message(path: Path) -> str:
    try:
        with open_regular(path) as file:
            return file.read(FILE_BYTES).decode(errors="replace")
    except OSError:
        return ""


def log_message(path: Path) -> str:
    try:
        lines = last_lines(path, LOG_LINES)
    except OSError:
        return ""
    return b"".join(lines)[-LOG_BYTES:].decode(errors="replace")
