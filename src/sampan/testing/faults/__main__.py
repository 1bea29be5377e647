"""`python -m sampan.testing.faults [--target T] [--seeds N | --seed S] [--fault F ...]`."""

from __future__ import annotations

import argparse
import logging
import sys
import time

from sampan.testing.faults.run import TARGETS, Verdict, run


def main() -> None:
    parser = argparse.ArgumentParser(description="Hurt a store while clients use it, and check what they saw.")
    parser.add_argument("--target", choices=sorted(TARGETS), default="simulated")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="try so many seeds")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="beginning with this one")
    parser.add_argument("--seed", type=int, metavar="S", help="try this one alone")
    parser.add_argument("--fault", action="append", default=[], metavar="F", help="in place of random faults")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    alone = arguments.seed is not None
    seeds = [arguments.seed] if alone else range(arguments.first, arguments.first + arguments.seeds)
    begun, failed = time.monotonic(), 0
    for seed in seeds:
        verdict = run(arguments.target, seed, faults=arguments.fault)
        if verdict.problems or alone:
            tell(verdict)
        failed += bool(verdict.problems)
    print(f"{len(seeds)} seeds on {arguments.target}, {failed} failed, {time.monotonic() - begun:.0f} s")
    sys.exit(bool(failed))


def tell(verdict: Verdict) -> None:
    history = verdict.history
    outcomes = [attempt.outcome for attempt in history.attempts]
    counts = {outcome: outcomes.count(outcome) for outcome in sorted(set(outcomes))}
    print(f"seed {verdict.seed}: {', '.join(verdict.faults)}")
    print(f"  commits {counts}, {len(history.reads)} reads, {len(history.log)} events, {len(history.sights)} watches")
    for problem in verdict.problems[:20]:
        print(f"  WRONG: {problem}")


if __name__ == "__main__":
    main()
