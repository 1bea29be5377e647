"""Options of the audit log and webhook; their names and defaults are kube-apiserver's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from sampan.api.durations import read_duration
from sampan.apiserver.audit.options import MODES, OF_WEBHOOKS, AuditOptions, Delivery, named

NUMBER = click.IntRange(min=0)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
PREFIX = "audit_"


def absolute(context: click.Context, parameter: click.Parameter, path: Path | None) -> str | None:
    """A file from wherever it is looked at; `-` stays."""
    return None if path is None else str(path if str(path) == "-" else path.absolute())


def seconds(context: click.Context, parameter: click.Parameter, text: str | None) -> float | None:
    try:
        return None if text is None else read_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error), context, parameter) from None


def _deliveries(where: str, otherwise: Delivery) -> Iterator[Any]:
    """The same flags for the log and for the webhook."""

    def option(name: str, default: object, text: str, **more: Any) -> Any:
        return click.option(f"--audit-{where}-{name}", help=f"{text}  [default: {default}]", **more)

    yield option(
        "mode",
        otherwise.mode,
        "batch: later and several at once; blocking: each before its request goes on; "
        "blocking-strict: and requests are refused that cannot be written down.",
        type=click.Choice(MODES),
    )
    count = click.IntRange(min=1)
    yield option("batch-buffer-size", otherwise.buffered, "Events that wait at most; more are lost.", type=count)
    yield option("batch-max-size", otherwise.most, "Events of a batch.", type=count)
    yield option("batch-max-wait", "30s", "How long a batch that is not full waits.", callback=seconds)
    yield option("batch-throttle-enable", otherwise.throttle, "Whether batches are throttled.", type=bool)
    yield option("batch-throttle-qps", "10", "Batches a second.", type=click.FloatRange(min=0, min_open=True))
    yield option("batch-throttle-burst", otherwise.burst, "Batches at once.", type=count)
    yield option("truncate-enabled", otherwise.truncate, "Whether large events lose their objects.", type=bool)
    yield option("truncate-max-event-size", otherwise.event_bytes, "Bytes of an event.", type=count)
    yield option("truncate-max-batch-size", otherwise.batch_bytes, "Bytes of a batch.", type=count)


OPTIONS = (
    click.option(
        "--audit-policy-file",
        type=FILE,
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
    *_deliveries("log", Delivery()),
    click.option(
        "--audit-webhook-config-file",
        type=FILE,
        callback=absolute,
        help="A kubeconfig of the server that events are posted to.",
    ),
    click.option(
        "--audit-webhook-initial-backoff", callback=seconds, help="Before a second try to post.  [default: 10s]"
    ),
    *_deliveries("webhook", OF_WEBHOOKS),
)


def audit_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds them."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def taken(given: dict[str, Any]) -> dict[str, Any]:
    """These options out of all that were given: those that were named."""
    own = {name: given.pop(name) for name in list(given) if name.startswith(PREFIX)}
    return {name: value for name, value in own.items() if value is not None}


def audit(given: dict[str, Any]) -> AuditOptions:
    """Takes these options out of all that were given."""
    return named(taken(given))
