"""`dockerdoctor`, and `python -m dockerdoctor`: one command in a process of its own.

Most commands are over sooner than Python needs to start and to end. So the loading of modules is
not searched for garbage, and at the end nothing is taken apart: together that was a sixth of it.
"""

import contextlib
import gc
import os
import sys
from typing import NoReturn

GARBAGE = 100_000
"""Objects made and not freed between two searches; what is loaded makes some 60,000."""


def main() -> NoReturn:
    """Run the command of the command line; the process ends with its exit code."""
    gc.set_threshold(GARBAGE)
    from dockerdoctor.cli.main import run

    code = run()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
