"""How a kept process begins: forked from the supervisor, or another program executed.

A forked one starts with clean hands: no signal handler, descriptor or log of its parent's; a session of its own; its
own log file, into which everything it prints goes, too.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import setproctitle

from sampan.aio.loglines import OneLine

LOG_BYTES = 10 * 1024 * 1024
LOG_FILES = 3
LOG_FORMAT = "%(asctime)s.%(msecs)03d %(levelname).1s %(name)s: %(message)s"


def forked(name: str, main: Callable[[], None], log_file: Path) -> Callable[[], int]:
    """A starter that forks and runs `main` in the child, under the title `sampan: NAME`."""

    def start() -> int:
        pid = os.fork()
        if pid == 0:
            _become(name, main, log_file)
        return pid

    return start


def executed(command: Sequence[str], log_file: Path) -> Callable[[], int]:
    """A starter that executes another program, its output going to `log_file`."""

    def start() -> int:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        with log_file.open("ab") as output:
            os.fchmod(output.fileno(), 0o600)
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_default_signals,
            )
        # Popen would warn that it is left running: whoever holds its pidfd reaps it.
        process.returncode = 0
        return process.pid

    return start


class Private(logging.handlers.RotatingFileHandler):
    """Every file it opens, also after a rotation, is its owner's alone."""

    def _open(self) -> Any:
        file = super()._open()
        os.fchmod(file.fileno(), 0o600)
        return file


def log_to(path: Path, level: int = logging.INFO) -> None:
    """Sends all logging to a file that is renamed at 10 MiB, three being kept; prints go there as well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = Private(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES - 1)
    handler.setFormatter(OneLine(LOG_FORMAT, "%Y-%m-%dT%H:%M:%S"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    with path.open("ab") as output:
        for descriptor in (1, 2):
            os.dup2(output.fileno(), descriptor)


def _become(name: str, main: Callable[[], None], log_file: Path) -> None:
    """The forked child's whole life; never returns."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        _default_signals()
        os.setsid()
        _close_logs()
        os.closerange(3, 4096)
        setproctitle.setproctitle(f"sampan: {name}")
        log_to(log_file)
        main()
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _close_logs() -> None:
    """The parent's log files, before their descriptors' numbers are given to others."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()


def _default_signals() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
