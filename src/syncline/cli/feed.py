"""Events as people can follow them: added up per kind, peer and collection, so that the output is bounded. No terminal here."""

from dataclasses import dataclass

from syncline.cli.render import cell
from syncline.model.event import Event


@dataclass(frozen=True, slots=True)
class Progress:
    """How far something is, in rows."""

    done: int
    total: int


class Feed:
    """A listener that adds up. `lines` empties it; `bars` are the jobs under way; `counts` are totals since the start."""

    def __init__(self) -> None:
        self._news: dict[tuple[str, str, str], tuple[int, Event]] = {}
        self.bars: dict[str, Progress] = {}
        self.counts: dict[tuple[str, str], int] = {}

    def __call__(self, event: Event) -> None:
        place = (event.name, event.peer, event.collection)
        count, _ = self._news.get(place, (0, event))
        self._news[place] = (count + event.count, event)
        self.counts[event.name, event.peer] = self.counts.get((event.name, event.peer), 0) + event.count
        done, total = event.detail.get("done"), event.detail.get("total")
        if isinstance(done, int) and isinstance(total, int):
            title = " ".join(part for part in (event.name.partition(".")[0], event.peer, event.collection) if part)
            if done >= total:
                self.bars.pop(title, None)
            else:
                self.bars[title] = Progress(done, total)

    def lines(self) -> list[str]:
        """One line per kind of news since the last call, with the detail of the newest."""
        lines = []
        for (name, peer, collection), (count, event) in self._news.items():
            words = [name, peer, collection, f"x{count}" if count != 1 else ""]
            words += [
                f"{key}={cell(round(value, 3) if isinstance(value, float) else value)}" for key, value in event.detail.items()
            ]
            lines.append(" ".join(word for word in words if word))
        self._news.clear()
        return lines
