"""The way to HTTP, which is installed only by those who want it; nothing of it is imported by those who do not."""

import importlib
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Final, Protocol, cast

from syncline.config.serving import Served
from syncline.model.errors import UsageError

_NEEDED: Final = {"h11": "h11", "prometheus_client": "prometheus-client"}


class Listening(Protocol):
    """A place that is listened at; see server.listening."""

    url: str

    def answering(self, hub: Any) -> AbstractAsyncContextManager[None]:
        """Answer while the body runs. `hub`: a facade; it is asked in the body's own loop."""
        ...


def opened(served: Served) -> AbstractContextManager[Listening]:
    """Listen there while the body runs. Raises UsageError where the libraries are missing, or where that cannot be done."""
    try:
        module = importlib.import_module("syncline.server.listening")
    except ModuleNotFoundError as error:
        missing = _NEEDED.get((error.name or "").partition(".")[0])
        if missing is None:
            raise
        hint = "from the checkout: pip install -e '.[http]'"
        raise UsageError(f"HTTP needs {missing}, which is not installed", why=str(error), hint=hint) from error
    return cast(AbstractContextManager[Listening], module.opened(served))
