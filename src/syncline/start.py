"""Where the `syncline` command begins: it loads the verbs, and leaves them to work."""

import gc
from importlib import import_module


def run() -> None:
    """The `syncline` command.

    What is loaded stays, so nobody need look through it for what could be let go of: that would be a fifth of the loading.
    """
    gc.disable()
    verbs = import_module("syncline.cli.main")
    gc.freeze()
    gc.enable()
    verbs.run()
