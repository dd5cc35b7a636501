"""From a collection's policies as written to its rules: every column gets one, every problem is listed. Pure."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from syncline.merge.policies.choose import Load, build_policy, fits
from syncline.merge.policies.registers import Newest
from syncline.merge.policy import Policy, Rules
from syncline.model.errors import PolicyUnfit, Problem, UnknownColumn, UnknownPolicy
from syncline.model.schema import Collection, Kind
from syncline.model.space import CollectionSpec, PolicySpec

DEFAULT: Final = "default"
DELETES: Final = ("update_wins", "delete_wins", "newest", "manual")


def build_rules(spec: CollectionSpec, collection: Collection, peers: Sequence[str], load: Load) -> Rules | list[Problem]:
    """The rules of a collection, a policy per column; or everything that is wrong with them, in the order of the text.

    A column without a policy of its own has the default's, or newest. Key columns have newest: they never conflict.
    `load` gives the function behind module:function, and may raise anything.
    """
    build = _Build(spec, collection, peers, load)
    policies = tuple([build.policy(column, kind) for column, kind in build.kinds.items()])
    problems = [*build.strangers(), *build.problems, *build.default_problems(), *_deletes(spec)]
    if problems:
        return sorted(problems, key=lambda problem: problem.line)
    return Rules(collection.name, collection.columns, policies, spec.deletes)


class _Build:
    """One collection's policies on their way; collects problems."""

    def __init__(self, spec: CollectionSpec, collection: Collection, peers: Sequence[str], load: Load) -> None:
        self.spec = spec
        self.collection = collection
        self.peers = peers
        self.load = load
        self.kinds: dict[str, Kind] = {
            column: collection.kinds[place] if place < len(collection.kinds) else Kind.ANY
            for place, column in enumerate(collection.columns)
        }
        self.problems: list[Problem] = []
        self._default = spec.merge.get(DEFAULT) if DEFAULT not in self.kinds else None
        self._default_faults: list[Problem] = []
        self._unfit: dict[str, tuple[str, str]] = {}

    def policy(self, column: str, kind: Kind) -> Policy:
        """The policy of a column; newest where there is a problem."""
        own, key = self.spec.merge.get(column), column in self.collection.key
        if own is not None:
            return self._own(column, kind, own, key=key)
        if key or self._default is None:
            return Newest()
        misfit = fits(self._default.name, kind)
        if misfit is not None:
            self._unfit[column] = misfit
            return Newest()
        built = self._built(self._default, column, kind)
        if isinstance(built, Problem):
            self._default_faults.append(built)
            return Newest()
        return built

    def _own(self, column: str, kind: Kind, own: PolicySpec, *, key: bool) -> Policy:
        misfit = fits(own.name, kind, key=True) if key else None
        if misfit is not None:
            what, (why, hint) = f"policy {own.name} does not fit", misfit
            self.problems.append(PolicyUnfit(what, why=why, hint=hint, line=self._line(column), **self._where(column)))
            return Newest()
        built = self._built(own, column, kind)
        if isinstance(built, Problem):
            self.problems.append(built)
            return Newest()
        return built

    def _built(self, spec: PolicySpec, column: str, kind: Kind) -> Policy | Problem:
        built = build_policy(spec, column, kind, self.peers, self.load, self.collection.columns)
        if isinstance(built, Problem):
            line = built.line or self._line(column)
            return type(built)(built.what, why=built.why, hint=built.hint, line=line, **self._where(column))
        return built

    def strangers(self) -> list[Problem]:
        """Columns that are named and not there."""
        found: list[Problem] = []
        for column in self.spec.merge:
            if column not in self.kinds and column != DEFAULT:
                near = get_close_matches(column, self.collection.columns, n=1)
                hint = f"did you mean {near[0]}?" if near else f"use one of: {', '.join(self.collection.columns)}"
                what, why = f"there is no column {column!r}", "no peer's table has it"
                found.append(UnknownColumn(what, why=why, hint=hint, line=self._line(column), collection=self.collection.name))
        return found

    def default_problems(self) -> list[Problem]:
        """What is wrong with the default: once, however many columns it meets."""
        found = self._default_faults[:1]
        if self._default is not None and self._unfit:
            why, _ = next(iter(self._unfit.values()))
            names = ", ".join(self._unfit)
            what = f"the default policy {self._default.name} does not fit {names}"
            hint = "give these columns policies of their own, or choose another default"
            line = self._default.line or self._line(DEFAULT)
            found.append(PolicyUnfit(what, why=why, hint=hint, line=line, collection=self.collection.name))
        return found

    def _line(self, column: str) -> int:
        own = self.spec.merge.get(column)
        return own.line if own is not None and own.line else self.spec.lines.get(f"merge.{column}", 0)

    def _where(self, column: str) -> dict[str, str]:
        return {"collection": self.collection.name, "column": column}


def _deletes(spec: CollectionSpec) -> list[Problem]:
    if spec.deletes in DELETES:
        return []
    what, hint = f"deletes cannot be {spec.deletes!r}", f"use one of: {', '.join(DELETES)}"
    return [UnknownPolicy(what, hint=hint, line=spec.lines.get("deletes", 0), collection=spec.name)]
