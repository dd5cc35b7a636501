"""`python -m syncline`: the same as the `syncline` command."""

from syncline.cli.main import run

if __name__ == "__main__":
    run()
