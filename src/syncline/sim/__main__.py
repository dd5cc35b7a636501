"""`python -m syncline.sim`: run many seeds, replay one with its trace, or crash one at every effect."""

import argparse
import sys
from collections import Counter

from syncline.sim.options import draw
from syncline.sim.product import Product, open_simulated_log
from syncline.sim.runner import campaign, run, sweep
from syncline.sim.world import Result

SHOWN_MAX = 20  # violations shown of one run


def main(arguments: list[str] | None = None) -> int:
    """0 if every property held in every run, 1 if not."""
    parser = argparse.ArgumentParser("python -m syncline.sim", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    many = verbs.add_parser("run", help="run seeds, each a world of its own")
    many.add_argument("--seeds", type=int, default=1000)
    many.add_argument("--first", type=int, default=0)
    many.add_argument("--jobs", type=int, default=2)
    many.add_argument("--twice", action="store_true", help="run each seed twice and compare the traces")
    again = verbs.add_parser("replay", help="run one seed again")
    again.add_argument("seed", type=int)
    again.add_argument("--trace", action="store_true", help="print every event")
    crash = verbs.add_parser("sweep", help="run one seed again and again, crashing at each effect in turn")
    crash.add_argument("seed", type=int)
    crash.add_argument("--step", type=int, default=1)
    chosen = parser.parse_args(arguments)
    match chosen.verb:
        case "run":
            return _run(range(chosen.first, chosen.first + chosen.seeds), chosen.jobs, twice=chosen.twice)
        case "replay":
            return _replay(chosen.seed, trace=chosen.trace)
        case _:
            return _sweep(chosen.seed, chosen.step)


def _run(seeds: range, jobs: int, *, twice: bool) -> int:
    counts: Counter[str] = Counter()
    failed, seconds = 0, 0.0
    for result in campaign(seeds, jobs, twice=twice):
        counts.update(result.counts)
        seconds += result.seconds
        if result.violations:
            failed += 1
            _show(result)
    print(f"{len(seeds)} seeds, {failed} failed; {seconds / 3600:.1f} virtual hours")
    print("; ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    return 1 if failed else 0


def _replay(seed: int, *, trace: bool) -> int:
    subject = Product()
    options = draw(seed, subject.abilities)
    print(options.show())
    result = run(options, subject, open_simulated_log, echo=print if trace else None)
    if result.violations:
        _show(result, events=not trace)
    print(f"digest {result.digest}, {result.effects} effects, {result.seconds:.1f} virtual seconds")
    return 1 if result.violations else 0


def _sweep(seed: int, step: int) -> int:
    subject = Product()
    failed = runs = 0
    for effect, result in sweep(draw(seed, subject.abilities), subject, open_simulated_log, step):
        runs += 1
        if result.violations:
            failed += 1
            print(f"crash at effect {effect}:")
            _show(result)
    print(f"seed {seed}: {runs} runs, {failed} failed")
    return 1 if failed else 0


def _show(result: Result, *, events: bool = False) -> None:
    print(f"FAILED {result.options.show()}")
    for violation in result.violations[:SHOWN_MAX]:
        print(f"  {violation}")
    if len(result.violations) > SHOWN_MAX:
        print(f"  and {len(result.violations) - SHOWN_MAX} more")
    if events:
        print("the last events:", *result.last, sep="\n  ")
    print(f"  again: python -m syncline.sim replay {result.options.seed} --trace", flush=True)


if __name__ == "__main__":
    sys.exit(main())
