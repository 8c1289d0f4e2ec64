"""One self-describing file per vital: cheap, periodic, read-only. See `declare.Probe`."""
