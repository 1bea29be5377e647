"""`python -m sampan.testing.virtual [--seeds N] [--first S] [--seed S]`."""

from __future__ import annotations

import argparse
import logging
import resource
import sys
import time

from sampan.testing.virtual.soak import run


def main() -> None:
    parser = argparse.ArgumentParser(description="Hurt a whole control plane in virtual time; see what it comes to.")
    parser.add_argument("--seeds", type=int, default=100, metavar="N", help="try so many seeds")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="beginning with this one")
    parser.add_argument("--seed", type=int, metavar="S", help="try this one alone")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.CRITICAL)
    alone = arguments.seed is not None
    seeds = [arguments.seed] if alone else range(arguments.first, arguments.first + arguments.seeds)
    begun, tried, failed, virtual = time.monotonic(), 0, 0, 0.0
    for seed in seeds:
        try:
            verdict = run(seed)
        except KeyboardInterrupt:
            break
        tried += 1
        virtual += verdict.virtual_seconds
        failed += bool(verdict.problems)
        if verdict.problems or alone:
            print(f"seed {seed}: {verdict.changes} changes, digest {verdict.digest[:16]}", flush=True)
            for problem in verdict.problems[:20]:
                print(f"  WRONG: {problem}", flush=True)
        if sys.stderr.isatty():
            print(f"\r{tried} of {len(seeds)} seeds, {failed} failed", end="\r", file=sys.stderr, flush=True)
    spent = time.monotonic() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    done = f"{tried} seeds, {failed} failed, {virtual / 3600:.1f} h of virtual time"
    print(f"{done} in {spent:.0f} s and {memory:.0f} MB at most")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
