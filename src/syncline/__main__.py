"""`python -m syncline`: the same as the `syncline` command."""

from syncline.start import run

if __name__ == "__main__":
    run()
