"""Where the `syncline` command begins: it loads the verbs, and leaves them to work."""

import gc
import sys
from importlib import import_module
from typing import Final

_INTERRUPTED: Final = 130  # as cli.exits has it, which is not loaded yet


def run() -> None:
    """The `syncline` command.

    What is loaded stays, so nobody need look through it for what could be let go of: that would be a fifth of the loading.
    """
    try:
        gc.disable()
        verbs = import_module("syncline.cli.main")
        gc.freeze()
        gc.enable()
        verbs.run()
    except KeyboardInterrupt:  # before the verbs could see to it
        sys.stderr.write("\n")
        sys.exit(_INTERRUPTED)
