"""Brings the server program of MySQL 8 for the tests where none is installed. Debian has none: Ubuntu's packages are unpacked.

python -m tests.servers.fetch_mysql

Nothing is installed: the packages are unpacked into a folder of the machine's temporary files that every user may read. What is
fetched is known by its SHA-256. Source: the packages of Ubuntu 22.04, https://archive.ubuntu.com/ubuntu/dists/jammy/Release
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Final

ARCHIVE: Final = "https://archive.ubuntu.com/ubuntu/pool/main/"
VERSION: Final = "8.0.28"
SECONDS: Final = 60
PACKAGES: Final = {  # the server and the libraries that other systems have in other versions
    "m/mysql-8.0/mysql-server-core-8.0_8.0.28-0ubuntu4_amd64.deb":
        "69a97fa36a94ce981cf4a5fd6eb674003fa42559b442ba9807309c69d1b90fdb",
    "i/icu/libicu70_70.1-2_amd64.deb":
        "58a154f6307289813da2276f900498ef536ae7c0522d2cf31a3c3c5cf62dfd9a",
    "p/protobuf/libprotobuf-lite23_3.12.4-1ubuntu7_amd64.deb":
        "74213165bb99962044366f56d43eaebf7f7ffd7903d60820abd8373f6fe067c0",
    "libe/libevent/libevent-core-2.1-7_2.1.12-stable-1build3_amd64.deb":
        "9317ae74915b9e4372f7506fbd16ae2a021e0ead79a8d88f96dad49b87d94508",
    "libe/libevent/libevent-pthreads-2.1-7_2.1.12-stable-1build3_amd64.deb":
        "078211a125a9ef5a9c7d24eb441761cefde8812b69889f7cee96824b0dc66831",
    "m/mecab/libmecab2_0.996-14build9_amd64.deb":
        "cb25c996ff0ed53158bc6b9cda66f68f003ff3824f8276ddfa0ad20d60e1411a",
    "liba/libaio/libaio1_0.3.112-13build1_amd64.deb":
        "2dcfe0b49d7cccfbf1bd6a3f627cf44bea9f51fb32f7e0e552a0df75698e0d27",
    "n/numactl/libnuma1_2.0.14-3ubuntu2_amd64.deb":
        "0721c89001fbbd1ada23e89da5d60e762763c1a7b3dc814a2e9a518480a8043d",
    "libt/libtirpc/libtirpc3_1.3.2-2build1_amd64.deb":
        "e5af8cc79ce2cd14a716922f7936d2a7c26d1e90642aaa7810afe4fcdc1cf2dc",
}  # fmt: skip


def place() -> Path:
    """Where it is unpacked, for this user alone to write and for all to read."""
    return Path(tempfile.gettempdir()) / f"syncline-mysql-{VERSION}-{os.geteuid()}"


def is_there(folder: Path) -> bool:
    """Whether it was unpacked, by this user: others could leave something there, too."""
    program = folder / "usr/sbin/mysqld"
    return program.exists() and folder.lstat().st_uid == os.geteuid() == program.lstat().st_uid


def fetch() -> Path:
    """Fetch and unpack what is not there yet; the folder. Raises OSError, or CalledProcessError if it cannot be had here."""
    folder = place()
    if is_there(folder):
        return folder
    if platform.machine() != "x86_64" or not shutil.which("dpkg-deb"):
        raise OSError("MySQL is fetched for x86_64 on systems that have dpkg only")
    with tempfile.TemporaryDirectory(prefix="syncline-mysql-") as scratch:
        made = Path(scratch) / "made"
        for path, known in PACKAGES.items():
            with urllib.request.urlopen(ARCHIVE + path, timeout=SECONDS) as answer:
                data = answer.read()
            if hashlib.sha256(data).hexdigest() != known:
                raise OSError(f"{path} is not the package that it should be")
            package = Path(scratch) / "package.deb"
            package.write_bytes(data)
            subprocess.run(["dpkg-deb", "-x", str(package), str(made)], check=True, capture_output=True)
        made.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(made, folder, symlinks=True)
    return folder


if __name__ == "__main__":
    try:
        print(fetch())
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"MySQL cannot be had here ({error}); its tests are left out")
