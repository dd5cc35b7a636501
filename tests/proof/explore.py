"""Explore from the command line: python -m tests.proof.explore [--full] [--mutants] [WORDS OF A SCOPE'S NAME]

Prints what was walked; ends with 1 and the shortest way to the first broken property if there is one.
"""

import argparse

import pytest
from tests.proof.breakages import MUTANTS
from tests.proof.edits import EDITS, edited
from tests.proof.graph import Scope
from tests.proof.scopes import HUNTS, MORE, USUAL
from tests.proof.walk import Counterexample, explore


def walk(scopes: tuple[Scope, ...]) -> int:
    """Walk scopes; print a line for each and the sum; the exit code."""
    states = edges = 0
    for scope in scopes:
        try:
            report = explore(scope)
        except Counterexample as found:
            print(found)
            return 1
        states, edges = states + report.states, edges + report.edges
        print(
            f"{report.seconds:8.1f} s {report.states:12,} states {report.edges:13,} edges {report.quiet:6,} quiet  {scope.name}"
        )
    print(f"{len(scopes)} scopes, {states:,} states, {edges:,} edges: every copy equal, nothing lost unrecorded")
    return 0


def hunt(scopes: tuple[Scope, ...]) -> Counterexample | None:
    """The first counterexample in some scopes."""
    for scope in scopes:
        try:
            explore(scope)
        except Counterexample as found:
            return found
    return None


def mutants() -> int:
    """Print the table of mutants with the length of their counterexamples; the exit code."""
    missed = 0
    for mutant in MUTANTS:
        with pytest.MonkeyPatch.context() as patch:
            mutant(patch)
            missed += _told(
                mutant.__name__.replace("_", " "),
                hunt(tuple(HUNTS[name] for name in ("pair", "delete wins", "parked", "both", "three"))),
            )
    for edit in EDITS:
        with edited(edit):
            missed += _told(edit.name, hunt(tuple(HUNTS[name] for name in edit.hunts)))
    return 1 if missed else 0


def _told(name: str, found: Counterexample | None) -> bool:
    told = "not found" if found is None else f"{len(found.steps):3} steps  {found.what[:80]}"
    print(f"{name:48} {told}", flush=True)
    return found is None


def main() -> int:
    """Read the command line and walk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="the large scopes too (an hour and some gigabytes)")
    parser.add_argument("--mutants", action="store_true", help="the table of mutants instead")
    parser.add_argument("name", nargs="*", help="only scopes whose name holds these words")
    asked = parser.parse_args()
    if asked.mutants:
        return mutants()
    scopes = USUAL + (MORE if asked.full else ())
    return walk(tuple(scope for scope in scopes if " ".join(asked.name) in scope.name))


if __name__ == "__main__":
    raise SystemExit(main())
