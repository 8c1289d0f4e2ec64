"""An OSError goes in, a HostFault comes out: one place decides what an errno means to us."""

from __future__ import annotations

import errno

from dockerdoctor.errors import HostFault
from dockerdoctor.model import Fault

_FAULTS = {
    errno.ENOENT: Fault.MISSING,
    errno.ENOTDIR: Fault.MISSING,
    errno.ESRCH: Fault.MISSING,
    errno.EACCES: Fault.DENIED,
    errno.EPERM: Fault.DENIED,
    errno.ETIMEDOUT: Fault.TIMEOUT,
    # A full listen backlog: somebody holds the socket and takes nobody in. Hung, not dead.
    errno.EAGAIN: Fault.TIMEOUT,
}


def from_os(error: OSError, what: str, hint: str = "") -> HostFault:
    """The HostFault of an OSError; `what` begins the sentence: "cannot read /x"."""
    if isinstance(error, TimeoutError):
        fault = Fault.TIMEOUT
    else:
        fault = _FAULTS.get(error.errno or 0, Fault.REFUSED)
    reason = error.strerror or str(error) or type(error).__name__
    return HostFault(fault, f"{what}: {reason}", hint)
