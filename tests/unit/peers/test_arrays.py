"""Arrays: what is told where numpy is installed and broken, which shows only when it is first used."""

import os
import subprocess
import sys
from pathlib import Path

USED = """
from syncline.model.errors import PeerUnsafe
from syncline.peers.arrays import np
try:
    np.zeros(3)
except PeerUnsafe as error:
    print(error.text())
"""


def test_a_numpy_that_cannot_be_loaded_is_told_with_its_cause_and_fix(tmp_path: Path) -> None:
    broken = tmp_path / "numpy"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('no libopenblas.so\\nand much more')\n", encoding="utf-8")
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", USED],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.stderr == ""
    assert done.stdout.startswith("SYN-P04: numpy is installed and cannot be loaded: no libopenblas.so. Fix: install it anew")
