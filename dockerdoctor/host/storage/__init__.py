"""The data-root as files: what is on disk, without asking the daemon and without locks of its own.

`survey` reads the metadata and measures; its values are in `facts`. Nothing here follows a link or
leaves the file system; `logs` cuts, `orphans` and `tmp` remove (by way of `aside`), no other part
changes anything.
"""
