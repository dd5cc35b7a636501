"""Finds the kinds of servers by name; a kind's code, and with it the driver, is loaded when the first one is made."""

from importlib.metadata import EntryPoint
from typing import Final, cast

from syncline.demo.desks.open import EXTRAS
from syncline.demo.servers.process import ServerProcess
from syncline.model.errors import NotInstalled

KINDS: Final = {"postgres": "PostgresServer", "mariadb": "MariadbServer"}


def make_server(kind: str) -> ServerProcess:
    """A server of a kind, which runs. Raises NotInstalled, which says how to install what is missing, and ServerFailed."""
    try:
        made = cast(type[ServerProcess], EntryPoint(kind, f"syncline.demo.servers.{kind}:{KINDS[kind]}", "").load())
    except ImportError as error:
        what = f"the driver for {kind} is not installed"
        raise NotInstalled(what, why=str(error), hint=f"from the checkout: pip install -e '.[{EXTRAS[kind]}]'") from error
    return made()
