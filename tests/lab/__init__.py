"""The lab: a real systemd, real engines, real faults. See README.md beside this file."""
