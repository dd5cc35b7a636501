"""What every test of verbs needs: secrets that one test has seen are not hidden in the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.cli.fake import FakeHub, config_in

from syncline.cli import facade
from syncline.config import secrets


@pytest.fixture(autouse=True)
def _no_known_secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "_known", set())
        yield


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeHub:
    """A fake engine behind a good syncline.yaml in the working folder, and a wide terminal."""
    fake = FakeHub()
    monkeypatch.setattr(facade, "hub_for", fake)
    config_in(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return fake
