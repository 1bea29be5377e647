"""`sampan status`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter

import click
import msgspec

from sampan.aio.clock import SystemClock
from sampan.aio.loglines import visible
from sampan.cli.settings import DATA_DIR, existing
from sampan.cluster.status import Process, Status, gather


@click.command("status")
@DATA_DIR
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(data_dir: str, output: str) -> None:
    """Tell what runs, where, and what is wrong; exit status 1 when something is.

    \b
    Examples:
      sampan status
      sampan status -o json
    """
    status = asyncio.run(gather(existing(data_dir), SystemClock()))
    problems = status.problems
    if output == "json":
        page = msgspec.json.format(msgspec.json.encode({**vars(status), "problems": problems})).decode()
        click.echo("\n".join(map(visible, page.split("\n"))))
    else:
        click.echo(text(status, time.time()))
    sys.exit(bool(problems))


def text(status: Status, now: float) -> str:
    """The page a person reads."""
    lines = [f"API server  {status.server}  {'does not answer' if status.api else 'answers'}", "", "PROCESSES"]
    lines += [process_line(p, now) for p in status.processes]
    if status.servers:
        lines += ["", "API SERVERS"]
        lines += [f"  {s.name:<20} {s.address:<16} {s.trouble or 'ready'}" for s in status.servers]
    if status.nodes:
        lines += ["", "NODES"]
        lines += [
            visible(f"  {n.name:<20} {n.address:<16} {'Ready' if n.ready else 'NotReady'}  {n.runtime}")
            for n in status.nodes
        ]
    if not status.api:
        lines += ["", "PODS", f"  {pods_line(status)}"]
    if status.problems:
        lines += ["", click.style("PROBLEMS", fg="red"), *(visible(f"  {problem}") for problem in status.problems)]
        lines += [visible(f"  recent: {warning}") for warning in status.warnings]
    else:
        lines += ["", click.style("All is well.", fg="green")]
    return "\n".join(lines)


def process_line(process: Process, now: float) -> str:
    if process.pid is None:
        return f"  {process.name:<20} not running"
    again = f", restarted {process.restarts} times" if process.restarts else ""
    up = age(now - process.started)
    return f"  {process.name:<20} pid {process.pid:<8} {process.memory / 1e6:6.1f} MB  up {up}{again}"


def pods_line(status: Status) -> str:
    phases = Counter(p.phase for p in status.pods)
    ready = sum(p.ready for p in status.pods)
    counted = ", ".join(f"{count} {phase}" for phase, count in sorted(phases.items()))
    return visible(f"{len(status.pods)} ({counted}), {ready} ready") if status.pods else "none"


def age(seconds: float) -> str:
    """A length of time in its largest unit: 45s, 12m, 3h, 2d."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(int(seconds), 0)}s"
