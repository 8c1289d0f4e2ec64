"""dockerdoctor keeps a real dockerd alive: look, judge, decide, climb, look again."""


def __getattr__(name: str) -> str:
    """`__version__`, looked up when it is asked for: importlib.metadata costs 30 ms."""
    if name != "__version__":
        raise AttributeError(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("dockerdoctor")
    except PackageNotFoundError:  # a bare checkout, not installed
        return "0+checkout"
