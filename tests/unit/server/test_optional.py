"""Without the libraries of HTTP everything else works, and who wants HTTP is told what to install."""

import subprocess
import sys

import pytest
from tests.unit.server.space import HERE

from syncline.model.errors import UsageError
from syncline.server.optional import opened


@pytest.mark.parametrize(("module", "name"), [("h11", "h11"), ("prometheus_client", "prometheus-client")])
def test_what_is_missing_is_told_with_what_installs_it(monkeypatch: pytest.MonkeyPatch, module: str, name: str) -> None:
    for known in [one for one in sys.modules if one.startswith(("syncline.server.", f"{module}."))]:
        if known not in {"syncline.server.optional", "syncline.server.door"}:
            monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError, match=f"HTTP needs {name}") as caught, opened(HERE):
        pass
    assert "from the checkout: pip install -e '.[http]'" in caught.value.hint


def test_the_command_line_imports_none_of_it_before_it_is_wanted() -> None:
    code = "import sys, syncline.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "syncline.cli.main" in loaded
    assert loaded.isdisjoint({"h11", "prometheus_client", "syncline.server.listening", "syncline.observe.metrics"})
