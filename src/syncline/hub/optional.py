"""What is installed only by those who want it."""

import importlib
from types import ModuleType

from syncline.model.errors import UsageError


def arrow() -> ModuleType:
    """The module that writes Parquet. Raises UsageError where pyarrow is not installed."""
    try:
        return importlib.import_module("syncline.hub.arrow")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        hint = "from the checkout: pip install -e '.[archive]'"
        raise UsageError("Parquet needs pyarrow, which is not installed", why=str(error), hint=hint) from error
