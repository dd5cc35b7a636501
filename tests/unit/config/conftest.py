"""What every test of configurations needs: secrets that one test has seen are not hidden in the next."""

from collections.abc import Iterator

import pytest

from syncline.config import secrets


@pytest.fixture(autouse=True)
def _no_known_secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(secrets, "_known", set())
        yield
