"""The watchdog's process: `python -m dockerdoctor.daemon [--config FILE] [--dry-run]`.

Its own entry point, so that neither typer nor rich is in a root process that runs for months. Puts
the parts together, tells systemd how it is, reloads its rules on SIGHUP, and ends on SIGTERM.
Exit codes: 0 stopped, 75 another watchdog has this daemon, 77 not root, 78 configuration.
"""
