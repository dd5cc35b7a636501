"""The error tree. Each error has a stable code, what failed, where, why, and how to fix it; it is transient or terminal.

SynclineError
 |- ConfigError        SYN-C01  the configuration (carries every problem of the file)
 |- Problem            SYN-C02  one thing wrong with a configuration or a precondition; a class and code per kind, see below
 |- PeerError          SYN-P..  a peer: PeerUnreachable (transient), PeerBusy (transient), PeerFull (transient),
 |                             PeerDenied (transient), PeerUnsafe, PeerChanged, PeerRestored; PeerBehind is an alarm
 |- LogError           SYN-L..  the log: LogFenced, LogDamaged, LogFull (transient), LogBusy
 |- CodecError         SYN-W..  wire and disk format
 |- MergeError         SYN-M..  a rule or policy that cannot be applied
 |- GuardTripped       SYN-G..  the mass-change brake
 |- RepairCapped       SYN-V01  an alarm: more differs than may be repaired without a person
 |- ProofRefused       SYN-V02  a proof report that cannot be relied on
 |- UsageError         SYN-U..  a verb asked for something that is not there
 '- NotInstalled       SYN-D01  a program or driver that the demo was asked to use; ServerFailed SYN-D02: it does not start
"""

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final

_REJOIN: Final = re.compile(r"'syncline resume (\S+) --rejoin'$")


def _with_cost(hint: str) -> str:
    """The hint; one that ends in proposing to join again says what becomes of rows that differ, wherever it comes from."""
    found = _REJOIN.search(hint)
    if found is None:
        return hint
    return (
        f"{hint}. Where its rows differ and nothing tells who wrote last, the space's values stand and those of {found[1]} are "
        "kept as conflicts, to be put back if need be; --authority PEER names whose stand instead"
    )


class SynclineError(Exception):
    """Base of all errors. `where` names peer, collection, key and the like; `hint` says how to fix it."""

    code: ClassVar[str] = "SYN-000"
    transient: ClassVar[bool] = False

    def __init__(self, what: str, *, why: str = "", hint: str = "", **where: object) -> None:
        self.what = what
        self.why = why
        self.hint = _with_cost(hint)
        self.where: Mapping[str, object] = {name: value for name, value in where.items() if value is not None}
        super().__init__(self.text())

    def text(self) -> str:
        """One line for people: code, what, where, why, fix."""
        place = ", ".join(f"{name} {value}" for name, value in self.where.items())
        parts = [f"{self.code}: {self.what}", f" ({place})" if place else "", f": {self.why}" if self.why else ""]
        return "".join(parts) + (f". Fix: {self.hint}" if self.hint else "")

    def as_json(self) -> dict[str, Any]:
        """The same for machines."""
        where = {name: str(value) for name, value in self.where.items()}
        return {"code": self.code, "what": self.what, "where": where, "why": self.why, "fix": self.hint}


class ConfigError(SynclineError):
    """The configuration is not usable; `problems` lists everything that is wrong with it."""

    code = "SYN-C01"

    def __init__(self, what: str, problems: tuple["Problem", ...] = (), **kwargs: Any) -> None:
        self.problems = problems
        super().__init__(what, **kwargs)


class Problem(SynclineError):
    """One thing wrong with a configuration or a precondition; collected, not raised.

    `file` and `line` say where the text says it ('' and 0 where there is no text); whoever knows the file sets it.
    """

    code = "SYN-C02"

    def __init__(self, what: str, *, why: str = "", hint: str = "", file: str = "", line: int = 0, **where: object) -> None:
        self.file = file
        self.line = line
        super().__init__(what, why=why, hint=hint, **where)

    @classmethod
    def of(cls, error: SynclineError) -> "Problem":
        """An error as a problem to be listed with others."""
        problem = cls(f"{error.code}: {error.what}", why=error.why, hint=error.hint)
        problem.where = error.where
        return problem

    def text(self) -> str:
        """One line for people: file:line: code what (where): why. Fix: hint."""
        spot = f"{self.file}:{self.line}: " if self.file and self.line else f"{self.file}: " if self.file else ""
        return spot + super().text().replace(f"{self.code}: ", f"{self.code} ", 1)

    def __str__(self) -> str:
        return self.text()

    def as_json(self) -> dict[str, Any]:
        """The same for machines, with file and line."""
        return {**super().as_json(), "file": self.file, "line": self.line}


class BadText(Problem):
    """The text is not YAML that Syncline reads: syntax, tabs, encoding, size, tags, nesting."""

    code = "SYN-C03"


class DuplicateKey(Problem):
    """The same key stands twice in one mapping; the second would silently win."""

    code = "SYN-C04"


class UnknownKey(Problem):
    """A word that the configuration does not know."""

    code = "SYN-C05"


class MissingPart(Problem):
    """Something that must be said is not said: a name, peers, collections."""

    code = "SYN-C06"


class WrongType(Problem):
    """A value of the wrong type, or outside its range."""

    code = "SYN-C07"


class BadName(Problem):
    """A name with characters that would not survive in file names, tables or messages."""

    code = "SYN-C08"


class BadUrl(Problem):
    """An address that cannot be read, or of a kind that is not installed."""

    code = "SYN-C09"


class UnknownPeer(Problem):
    """A peer that is named but not listed under `peers`."""

    code = "SYN-C10"


class UnknownPolicy(Problem):
    """A conflict policy that does not exist, or whose argument cannot be read."""

    code = "SYN-C11"


class UnknownColumn(Problem):
    """A column that is named but that no table has."""

    code = "SYN-C12"


class NoKey(Problem):
    """A collection whose rows cannot be told apart in the same way at every peer."""

    code = "SYN-C13"


class PolicyUnfit(Problem):
    """A policy that cannot work on this column."""

    code = "SYN-C14"


class MissingFile(Problem):
    """A peer's file is not there; a mistyped path must not become a new, empty peer."""

    code = "SYN-C15"


class SharedPlace(Problem):
    """Two peers are the same file, the log is a peer's file, or two collections are the same table of a peer."""

    code = "SYN-C16"


class MissingSecret(Problem):
    """An address refers to a variable or file that is not there."""

    code = "SYN-C17"


class NotAvailable(Problem):
    """Something that Syncline knows of and does not do yet."""

    code = "SYN-C18"


class TablesDiffer(Problem):
    """Tables of one collection differ in a way that would lose or change values."""

    code = "SYN-C19"


class MissingTable(Problem):
    """A peer does not have the collection's table."""

    code = "SYN-C20"


class Advice(Problem):
    """Nothing stands against it; but something could be better, or a column cannot hold some of the others' values."""

    code = "SYN-C21"


class PeerError(SynclineError):
    """Something is wrong at one peer; the others go on."""

    code = "SYN-P01"


class PeerUnreachable(PeerError):
    """The peer cannot be reached now; retried."""

    code = "SYN-P02"
    transient = True


class PeerBusy(PeerError):
    """The peer is locked by another writer; retried."""

    code = "SYN-P03"
    transient = True


class PeerUnsafe(PeerError):
    """The peer does not meet a precondition (rights, format, schema); needs a person."""

    code = "SYN-P04"


class PeerChanged(PeerError):
    """A table of the peer was altered, dropped or recreated in a way that needs a decision."""

    code = "SYN-P05"


class PeerRestored(PeerError):
    """The peer's history is not the one the log knows: restored, copied or reset. It must rejoin."""

    code = "SYN-P06"


class PeerFull(PeerError):
    """The peer has no space left; nothing was acknowledged; retried until there is space."""

    code = "SYN-P07"
    transient = True


class PeerDenied(PeerError):
    """The peer does not let us in: user, password, access rule or database name; retried, for each may be changed."""

    code = "SYN-P09"
    transient = True


class PeerBehind(PeerError):
    """An alarm: the server keeps too much of its log for this peer, or is about to let go of what the peer needs."""

    code = "SYN-P10"


class LogError(SynclineError):
    """The log cannot be used."""

    code = "SYN-L01"


class LogFenced(LogError):
    """Another hub appended to this log; this one must stop."""

    code = "SYN-L02"


class LogDamaged(LogError):
    """A frame in the middle of the log fails its checksum; the log is not served past it."""

    code = "SYN-L03"


class LogFull(LogError):
    """No space for the log; nothing was acknowledged; retried until there is space."""

    code = "SYN-L04"
    transient = True


class LogBusy(LogError):
    """Another running hub serves this log."""

    code = "SYN-L05"


class CodecError(SynclineError):
    """Bytes that are not of a known version or shape."""

    code = "SYN-W01"


class MergeError(SynclineError):
    """A rule or policy could not be applied to these values; the change goes to the conflict inbox."""

    code = "SYN-M01"


class GuardTripped(SynclineError):
    """A mass change was held back; a person must approve it."""

    code = "SYN-G01"


class RepairCapped(SynclineError):
    """An alarm: a proof found more than may be repaired without a person, so nothing was."""

    code = "SYN-V01"


class ProofRefused(SynclineError):
    """A proof report that cannot be relied on: changed, cut short, signed with another key, unknown, or one is missing."""

    code = "SYN-V02"


class UsageError(SynclineError):
    """A verb was asked for something that does not exist or does not apply."""

    code = "SYN-U01"


class RequestRefused(SynclineError):
    """A request over HTTP that is not answered: no such page, another method, without the token, or not meant for us."""

    code = "SYN-H01"


class NotInstalled(SynclineError):
    """The demo was asked for a kind of server whose programs or driver are not installed."""

    code = "SYN-D01"


class ServerFailed(SynclineError):
    """A private server of the demo could not be made or started."""

    code = "SYN-D02"
