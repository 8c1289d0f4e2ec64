"""TLS towards a daemon: the files of an address go in, a context or what an error means comes out.

Apart from `wire`, which does without where no TLS is spoken: OpenSSL takes 10 ms and 8 MB to load.
"""

from __future__ import annotations

import ssl

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import Address, TlsFiles
from dockerdoctor.model import Fault


def context(files: TlsFiles) -> ssl.SSLContext:
    """What these files say. Raises OSError (ssl.SSLError) for unusable ones."""
    made = ssl.create_default_context(cafile=str(files.ca) if files.ca else None)
    if not files.verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    if files.cert:
        made.load_cert_chain(str(files.cert), str(files.key) if files.key else None)
    return made


def ended(error: OSError) -> bool:
    """Whether this only says that the other side has hung up."""
    return isinstance(error, ssl.SSLEOFError)


def explain(error: BaseException, address: Address) -> HostFault | None:
    """The fault that an error of TLS means; None for any other error."""
    if not isinstance(error, ssl.SSLError):
        return None
    if isinstance(error, ssl.SSLCertVerificationError):
        return HostFault(
            Fault.DENIED,
            f"the certificate of {address} is not trusted: {error.verify_message}",
            "check ca.pem, its dates and the host's name",
        )
    reason = error.reason or "no reason given"
    if "ALERT" in reason:
        return HostFault(
            Fault.DENIED,
            f"{address} refused our certificate: {reason}",
            "check cert.pem and key.pem, and that its ca.pem signed them",
        )
    return HostFault(
        Fault.GARBLED,
        f"{address} does not speak TLS as we do: {reason}",
        "check the port (2376 with TLS, 2375 without) and the certificates' files",
    )
