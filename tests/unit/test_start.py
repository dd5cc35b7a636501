"""The beginning of the command, before any verb is loaded."""

import subprocess
import sys

# Ctrl-C at a moment that is known: when the verbs are looked for.
INTERRUPTED = """
import os, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs tests in the background has it ignored

class Ctrl:
    def find_spec(self, name, path=None, target=None):
        if name == "syncline.cli.main":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Ctrl())
from syncline.start import run
run()
"""


def test_an_interrupt_while_the_verbs_are_loaded_ends_it_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "\n")
