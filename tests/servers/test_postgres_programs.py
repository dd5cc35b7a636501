"""The server programs of the wheel are found, and work where they are copied to for a user who cannot reach them."""

import subprocess

import pytest

from syncline.demo.servers.postgres_programs import WHEEL, as_other, copied, installed

OF_THE_WHEEL = {major: folder for major, folder in installed().items() if WHEEL in str(folder)}


def test_the_tests_run_on_more_than_one_version() -> None:
    assert len(installed()) > 1


@pytest.mark.parametrize("major", OF_THE_WHEEL)
def test_programs_run_as_another_user_from_where_they_were_copied(major: int) -> None:
    folder = copied(OF_THE_WHEEL[major])
    for name in ("postgres", "initdb", "pgbench", "pg_basebackup"):
        said = subprocess.run([folder / name, "--version"], capture_output=True, text=True, check=True, cwd="/", **as_other())
        assert f"(PostgreSQL) {major}" in said.stdout
