"""`serve` and `run --listen`: where they listen, what wins, and what is refused before the engine is asked for anything."""

import importlib
import socket
from pathlib import Path
from types import ModuleType

import pytest
from tests.unit.cli.fake import CONFIG, FakeHub, answer, syncline


def configure(folder: Path, serve: str) -> None:
    (folder / "syncline.yaml").write_text(CONFIG + f"serve: {serve}\n", encoding="utf-8")


def test_run_listens_where_the_configuration_says_and_the_option_wins(hub: FakeHub, tmp_path: Path) -> None:
    assert "listening" not in syncline("run").stdout, "nowhere, unless somebody says so"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configure(tmp_path, f"{{listen: '127.0.0.1:{taken.getsockname()[1]}'}}")
        refused = syncline("run")
        assert refused.exit_code == 2
        assert f"SYN-U01: 127.0.0.1:{taken.getsockname()[1]} cannot be listened at" in refused.stderr
        hub.asked.clear()
        assert syncline("run").exit_code == 2
        assert hub.asked == [], "nothing was begun"
        told = syncline("run", "--listen", "localhost:0")
        assert told.exit_code == 0
        assert told.stdout.startswith("listening at http://localhost:")
    assert syncline("run").stdout.startswith("listening at http://127.0.0.1:")
    assert answer("run")["space"] == "crm"


@pytest.mark.parametrize("verb", ["run", "serve"])
@pytest.mark.parametrize(
    ("serve", "place", "what"),
    [
        ("", "9640", "is no place to listen"),
        ("", "localhost", "is no place to listen"),
        ("", "0.0.0.0:0", "needs a token"),
        ("{token: '${file:token}'}", "0.0.0.0:0", "needs TLS"),
        ("{token: '${file:token}', insecure: true}", "0.0.0.0:0", "secret file"),
        ("{token: '${file:token}'}", "127.0.0.1:0", "secret file"),
        ("{certificate: no.pem, key: no.key}", "127.0.0.1:0", "TLS cannot use these files"),
    ],
)
def test_what_is_not_safe_or_not_there_is_refused(
    hub: FakeHub, tmp_path: Path, verb: str, serve: str, place: str, what: str
) -> None:
    configure(tmp_path, serve)
    told = syncline(verb, "--listen", place)
    assert told.exit_code == 2
    assert what in told.stderr
    assert hub.asked == []


def test_without_its_libraries_only_http_is_missing(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.import_module

    def without(name: str) -> ModuleType:
        if name == "syncline.server.listening":
            raise ModuleNotFoundError("No module named 'h11'", name="h11")
        return known(name)

    monkeypatch.setattr(importlib, "import_module", without)
    told = syncline("run", "--listen", "127.0.0.1:0")
    assert told.exit_code == 2
    assert "from the checkout: pip install -e '.[http]'" in told.stderr
    assert syncline("run").exit_code == 0
