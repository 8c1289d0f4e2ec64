"""Examinations on demand, one self-describing file each: read-only, for `diagnose`."""
