"""`python -m sampan.testing.faults [--target T ...] [--seeds N | --seed S] [--fault F ...] [--jobs J]`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from sampan.testing import netns
from sampan.testing.faults import injection
from sampan.testing.faults.run import PRIVATE, TARGETS, VIRTUAL, Verdict, run

EXAMPLES = """examples:
  python -m sampan.testing.faults --seeds 5000                  the targets in virtual time, by turns
  python -m sampan.testing.faults --target servers --seed 17    one seed again, and what came of it
  python -m sampan.testing.faults --target etcd --seeds 10      real etcd members, one run after another
  python -m sampan.testing.faults --list                        every fault of every target
"""
PROGRESS = 250
"""Seeds after which a word is said."""


def main() -> None:
    arguments = _parser().parse_args()
    if arguments.list:
        for name, target in TARGETS.items():
            print(f"{name}: {', '.join(sorted(target(0).faults))}")
        return
    targets = arguments.target or list(VIRTUAL)
    if set(targets) & set(PRIVATE):
        _enter()
    alone = arguments.seed is not None
    seeds = [arguments.seed] if alone else list(range(arguments.first, arguments.first + arguments.seeds))
    tries = [(targets[n % len(targets)], seed) for n, seed in enumerate(seeds)]
    if alone:
        tries = [(target, arguments.seed) for target in targets]
    jobs = arguments.jobs if set(targets) <= set(VIRTUAL) else 1
    begun, failed = time.monotonic(), 0
    for done, verdict in enumerate(_verdicts(tries, arguments.fault, jobs), start=1):
        if verdict.problems or alone:
            tell(tries[done - 1][0], verdict)
        failed += bool(verdict.problems)
        if done % PROGRESS == 0:
            print(f"{done} of {len(tries)} seeds, {failed} failed, {time.monotonic() - begun:.0f} s", flush=True)
    print(f"{len(tries)} seeds on {', '.join(targets)}, {failed} failed, {time.monotonic() - begun:.0f} s")
    sys.exit(bool(failed))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sampan.testing.faults",
        description="Hurt a store while clients use it, and check what they saw.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="what to hurt; several take turns")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="try so many seeds")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="beginning with this one")
    parser.add_argument("--seed", type=int, metavar="S", help="try this one alone")
    parser.add_argument("--fault", action="append", default=[], metavar="F", help="in place of random faults")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="J", help="processes, in virtual time")
    parser.add_argument("--list", action="store_true", help="name all faults and end")
    return parser


def _verdicts(tries: list[tuple[str, int]], faults: list[str], jobs: int) -> Iterator[Verdict]:
    if jobs < 2 or len(tries) < 2:
        _quiet()
        yield from (_try(each, faults=faults) for each in tries)
        return
    with ProcessPoolExecutor(jobs, initializer=_quiet) as pool:
        yield from pool.map(partial(_try, faults=faults), tries, chunksize=4)


def _enter() -> None:
    reason = netns.missing() or injection.missing()
    if reason:
        sys.exit(f"error: {reason}")
    netns.enter()


def _try(each: tuple[str, int], *, faults: list[str]) -> Verdict:
    return run(*each, faults=faults)


def _quiet() -> None:
    logging.basicConfig(level=logging.CRITICAL)


def tell(target: str, verdict: Verdict) -> None:
    history = verdict.history
    outcomes = [attempt.outcome for attempt in history.attempts]
    counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
    print(f"--target {target} --seed {verdict.seed}: {', '.join(verdict.faults)}; history {verdict.digest}")
    print(f"  commits {counts}, {len(history.reads)} reads, {len(history.log)} events, {len(history.sights)} watches")
    for problem in verdict.problems[:20]:
        print(f"  WRONG: {problem}")


if __name__ == "__main__":
    main()
