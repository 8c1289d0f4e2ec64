"""The command line: one file per command group, thin, the only place that prints."""
