"""The command with shorter bounds: `hurried.py NAME=VALUE... VERB...` sets limits of model/limits.py before it runs.

Only what is read through the module takes effect. A name that is not there stops the program.
"""

import sys

from syncline.cli.main import run
from syncline.model import limits


def main() -> None:
    """Set what the first words say, and run the command with the others."""
    while "=" in sys.argv[1]:
        name, _, value = sys.argv.pop(1).partition("=")
        setattr(limits, name, type(getattr(limits, name))(value))
    run()


if __name__ == "__main__":
    main()
