"""One self-describing file per remedy. See `declare.Rung`."""
