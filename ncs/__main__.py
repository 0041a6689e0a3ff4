"""``python -m ncs`` is the command ``ncs``."""

from ncs.cli import main

if __name__ == "__main__":
    main()
