"""Options of the audit log; their names and defaults are kube-apiserver's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from sampan.apiserver.audit.options import AuditOptions

NUMBER = click.IntRange(min=0)


def absolute(context: click.Context, parameter: click.Parameter, path: Path | None) -> str | None:
    """A file from wherever it is looked at; `-` stays."""
    return None if path is None else str(path if str(path) == "-" else path.absolute())


OPTIONS = (
    click.option(
        "--audit-policy-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        callback=absolute,
        help="audit.k8s.io/v1 Policy: what is written of which request.",
    ),
    click.option(
        "--audit-log-path",
        type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
        callback=absolute,
        help="Where it is written, an event a line; - is standard output.",
    ),
    click.option("--audit-log-maxage", type=NUMBER, help="Days that old audit logs are kept.  [default: 0: all]"),
    click.option("--audit-log-maxbackup", type=NUMBER, help="How many old ones are kept.  [default: 0: all]"),
    click.option("--audit-log-maxsize", type=NUMBER, help="Megabytes of one.  [default: 100]"),
    click.option("--audit-log-compress", type=bool, is_flag=True, default=None, help="Compress old ones."),
    click.option(
        "--audit-log-mode",
        type=click.Choice(["blocking", "blocking-strict"]),
        help="Whether requests are refused that cannot be written down.  [default: blocking: no]",
    ),
)


def audit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds them."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def audit(given: dict[str, Any]) -> AuditOptions:
    """Takes these options out of all that were given."""
    policy, path = given.pop("audit_policy_file"), given.pop("audit_log_path")
    return AuditOptions(
        policy=Path(policy) if policy else None,
        path=Path(path) if path else None,
        max_days=given.pop("audit_log_maxage") or 0,
        max_backups=given.pop("audit_log_maxbackup") or 0,
        max_megabytes=given.pop("audit_log_maxsize") or 0,
        compress=bool(given.pop("audit_log_compress")),
        strict=given.pop("audit_log_mode") == "blocking-strict",
    )
