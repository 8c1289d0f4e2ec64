"""`python -m dockerdoctor`."""

import sys

from dockerdoctor.cli.main import run

sys.exit(run())
