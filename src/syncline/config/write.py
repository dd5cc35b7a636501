"""Space -> YAML text that a person can read and change, and that reads back as the same space. Writes no file."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec
import yaml

from syncline.config.propose import Remarks
from syncline.config.read import Scalar
from syncline.config.values import found_type
from syncline.model.space import CollectionSpec, PolicySpec, ServeSettings, Settings, Space, VerifySettings

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./@=-]*(:[A-Za-z0-9_./@=-]+)*")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_BREAKS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]+")
_WHY: Final = {
    "newest": "the causally newest; between concurrent writes the later time",
    "text": "both edits are kept, merged line by line",
    "json": "merged path by path",
    "max": "the larger value stands",
    "counter": "if peers add and subtract: concurrent +5 and -3 give +2",
    "set": "if it lists members: additions and removals of both sides are kept",
}
_DELETES: Final = "or delete_wins | newest | manual"


def write(space: Space, remarks: Remarks | None = None) -> str:
    """The configuration as text, with remarks as comments."""
    notes = remarks or Remarks()
    lines = [
        "# What is kept equal, where, and how conflicts are settled. `syncline check` tells whether it fits.",
        f"space: {scalar(space.name)}",
        _remark(f"log: {scalar(space.log)}", f"{space.name}.log.db beside this file" if space.log == "sqlite" else ""),
        "peers:",
        *(f"  {scalar(peer.name)}: {scalar(peer.url)}" for peer in space.peers.values()),
        "collections:",
    ]
    for spec in space.collections.values():
        lines += _collection(spec, notes)
    lines += _settings(space.settings)
    lines += _verify(space.verify)
    lines += _serve(space.serve)
    if notes.left_out:
        lines.append("# Tables that are not synchronised:")
        lines += [_comment(f"  {name}: {why}") for name, why in notes.left_out.items()]
    return "\n".join(lines) + "\n"


def scalar(text: str) -> str:
    """Text as YAML that reads back as exactly this text."""
    return text if _PLAIN.fullmatch(text) and found_type(Scalar(text, True, 0)) == "text" else _quoted(text)


def _word(text: str) -> str:
    """Text inside brackets."""
    return text if _WORD.fullmatch(text) and scalar(text) == text else _quoted(text)


def _quoted(text: str) -> str:
    quoted: str = yaml.dump(text, default_style='"', allow_unicode=True, width=2**31)
    return quoted.rstrip("\n")


def _list(words: Iterable[str]) -> str:
    return f"[{', '.join(_word(word) for word in words)}]"


def _collection(spec: CollectionSpec, notes: Remarks) -> list[str]:
    lines = [f"  {scalar(spec.name)}:", *(_comment(text, 4) for text in notes.warnings.get(spec.name, ()))]
    if spec.key:
        lines.append(f"    key: {_list(spec.key)}")
    lines += _mapping("at", {peer: scalar(table) for peer, table in spec.at.items()})
    suggestions = notes.suggestions.get(spec.name, {})
    if spec.merge or suggestions:
        lines.append("    merge:" if spec.merge else "    merge: {}")
        lines += [_policy(column, policy) for column, policy in spec.merge.items()]
        lines += [_remark(f"      # {_one_line(scalar(column))}: {word}", _WHY[word]) for column, word in suggestions.items()]
    lines.append(_remark(f"    deletes: {spec.deletes}", _DELETES if spec.deletes == "update_wins" else ""))
    lines += _mapping("direction", {peer: direction.value for peer, direction in spec.direction.items()})
    if spec.authority:
        lines.append(f"    authority: {scalar(spec.authority)}")
    return lines


def _policy(column: str, policy: PolicySpec) -> str:
    match policy.argument:
        case None:
            return _remark(f"      {scalar(column)}: {policy.name}", _WHY.get(policy.name, ""))
        case str() as text:
            return f"      {scalar(column)}: {{{policy.name}: {_word(text)}}}"
        case words:
            return f"      {scalar(column)}: {{{policy.name}: {_list(words)}}}"


def _mapping(name: str, values: dict[str, str]) -> list[str]:
    return [f"    {name}:", *(f"      {scalar(peer)}: {value}" for peer, value in values.items())] if values else []


def _settings(settings: Settings) -> list[str]:
    usual = msgspec.structs.asdict(Settings())
    changed = {name: value for name, value in msgspec.structs.asdict(settings).items() if value != usual[name]}
    return ["settings:", *(f"  {name}: {_number(value)}" for name, value in changed.items())] if changed else []


def _verify(verify: VerifySettings) -> list[str]:
    usual, lines = VerifySettings(), []
    for name in ("every", "full", "rows_per_second"):
        value = getattr(verify, name)
        lines += [f"  {name}: {_number(value)}"] if value != getattr(usual, name) else []
    if verify.window is not None:
        lines.append(f'  window: "{"-".join([f"{one:%H:%M}" for one in verify.window])}"')
    if verify.budget != usual.budget:
        lines.append(f"  budget: {round(verify.budget * 100)}%")
    if verify.repair is not None:
        policy = f"policy: {scalar(verify.repair.policy)}, cap: {verify.repair.cap}"
        lines.append(f"  repair: {{classes: {_list(verify.repair.classes)}, {policy}}}")
    return ["verify:", *lines] if lines else []


def _serve(serve: ServeSettings) -> list[str]:
    usual = ServeSettings()
    words = {name: getattr(serve, name) for name in usual.__struct_fields__ if getattr(serve, name) != getattr(usual, name)}
    lines = [f"  {name}: {'true' if value is True else scalar(value)}" for name, value in words.items()]
    return ["serve:", *lines] if lines else []


def _number(value: float) -> str:
    return format(Decimal(repr(value)), "f")  # exact, and never with an exponent


def _remark(line: str, why: str) -> str:
    return f"{line:<32}  # {_one_line(why)}" if why else line


def _comment(text: str, indent: int = 0) -> str:
    return f"{' ' * indent}# {_one_line(text)}"


def _one_line(text: str) -> str:
    return _BREAKS.sub(" ", text)
