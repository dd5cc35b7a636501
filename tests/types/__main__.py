"""`python -m tests.types`: run the whole matrix and write docs/types.md."""

import sys
import tempfile
from pathlib import Path

from tests.types.cases import ENGINES
from tests.types.document import PLACE, document
from tests.types.matrix import run


def main() -> int:
    """Write the page; nothing is written if values are not what they should be."""
    outcomes = []
    for source in ENGINES:
        for target in ENGINES:
            with tempfile.TemporaryDirectory() as folder:
                outcomes.append(run(Path(folder), source, target))
    wrong = [line for one in outcomes for line in one.wrong]
    if wrong:
        sys.stderr.write("\n".join(wrong) + "\n")
        return 1
    PLACE.write_text(document(outcomes), encoding="utf-8")
    return 0


sys.exit(main())
