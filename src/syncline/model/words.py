"""Numbers in sentences: the one place that knows plurals."""


def counted(number: int, noun: str, many: str = "") -> str:
    """A number and its noun: 1 peer, 2 peers, 1,000 entries. `many` where the plural is not the noun with an s."""
    return f"{number:,} {noun if number == 1 else many or f'{noun}s'}"
