"""dockerdoctor keeps a real dockerd alive: look, judge, decide, climb, look again."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("dockerdoctor")
except PackageNotFoundError:  # a bare checkout, not installed
    __version__ = "0+checkout"
