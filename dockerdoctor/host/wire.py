"""A connection to the daemon that knows when to give up.

In: an Address and one time-out (s). Out: a `Wire` that sends and receives bytes until its
deadline, over AF_UNIX, TCP or TLS. The deadline counts for everything together: a daemon that
drips a byte now and then does not stretch it. Everything that can go wrong is a HostFault.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import socket
import stat
import threading
import time

from dockerdoctor.errors import HostFault
from dockerdoctor.host.address import Address
from dockerdoctor.model import Fault

CHUNK = 1 << 16
_BACKLOG_RETRY_S = 0.05


class Wire:
    """A connected stream with a deadline on the monotonic clock, in s. Use it with `with`."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        """Connect. Raises HostFault as `explain` says, TIMEOUT after `timeout_s`."""
        self.address = address
        self.timeout_s = timeout_s
        self.deadline = time.monotonic() + timeout_s
        self._socket: socket.socket | None = None
        try:
            self._socket = self._connected()
        except (OSError, ValueError) as error:
            raise explain(error, address, timeout_s) from error

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def extend(self, seconds: float) -> None:
        """A new deadline from now: for a stream that goes on as long as something comes."""
        self.timeout_s = seconds
        self.deadline = time.monotonic() + seconds

    def send(self, data: bytes) -> None:
        """Send all of it before the deadline."""
        try:
            self._ready().sendall(data)
        except OSError as error:
            raise explain(error, self.address, self.timeout_s) from error

    def receive(self) -> bytes:
        """The next bytes, at most CHUNK; empty at the end of the stream."""
        try:
            return self._ready().recv(CHUNK)
        except OSError as error:
            if self.address.tls is not None:
                from dockerdoctor.host import secured

                if secured.ended(error):
                    return b""
            raise explain(error, self.address, self.timeout_s) from error

    def close(self) -> None:
        """Close it, and wake a thread that waits in `receive`. Can be called by any thread."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError):  # it may not be connected any more
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _left(self) -> float:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _ready(self) -> socket.socket:
        assert self._socket is not None
        self._socket.settimeout(None if math.isinf(self.deadline) else self._left())
        return self._socket

    def _connected(self) -> socket.socket:
        if self.address.kind == "unix":
            return self._unix()
        return self._tcp()

    def _unix(self) -> socket.socket:
        # A full backlog is EAGAIN at once, however long the time-out. A daemon that hangs keeps
        # it full; one that only has much to do takes the next connection soon.
        while True:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                sock.settimeout(self._left())
                sock.connect(self.address.path)
                return sock
            except BlockingIOError:
                sock.close()
                time.sleep(min(_BACKLOG_RETRY_S, self._left()))
            except BaseException:
                sock.close()
                raise

    def _tcp(self) -> socket.socket:
        failure: OSError = OSError(errno.EADDRNOTAVAIL, "no address")
        for family, kind, proto, _, where in _looked_up(self.address, self._left()):
            sock = socket.socket(family, kind, proto)
            try:
                sock.settimeout(self._left())
                sock.connect(where)
                return self._secured(sock)
            except OSError as error:
                sock.close()
                failure = error
        raise failure

    def _secured(self, sock: socket.socket) -> socket.socket:
        if self.address.tls is None:
            return sock
        sock.settimeout(self._left())
        from dockerdoctor.host import secured  # only now: see there

        context = secured.context(self.address.tls)
        return context.wrap_socket(sock, server_hostname=self.address.host)


_Info = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[object, ...]]


def _looked_up(address: Address, timeout_s: float) -> list[_Info]:
    """getaddrinfo in a thread of its own: it knows no time-out, and a name server may be silent."""
    found: list[_Info | OSError] = []

    def look() -> None:
        try:
            found.extend(socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.append(error if isinstance(error, OSError) else socket.gaierror(str(error)))

    thread = threading.Thread(target=look, name="resolve", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if thread.is_alive():
        raise TimeoutError
    for one in found:
        if isinstance(one, OSError):
            raise one
    return [one for one in found if not isinstance(one, OSError)]


_GONE = frozenset(
    {
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.EPIPE,
        errno.ENOTCONN,
        errno.EBADF,
        errno.ESHUTDOWN,
    }
)
_NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EHOSTDOWN})
_NO_PERMISSION = frozenset({errno.EACCES, errno.EPERM})


def explain(error: OSError | ValueError, address: Address, timeout_s: float) -> HostFault:
    """The fault that a failed system call means, with a sentence and a hint for a person."""
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, TimeoutError) or number == errno.ETIMEDOUT:
        return HostFault(
            Fault.TIMEOUT,
            f"no answer on {address} within {timeout_s:g} s",
            "the daemon hangs, or is still starting: see `systemctl status docker`",
        )
    if address.tls is not None:
        from dockerdoctor.host import secured

        if (fault := secured.explain(error, address)) is not None:
            return fault
    if isinstance(error, socket.gaierror):
        return HostFault(
            Fault.MISSING, f"the name {address.host} is not known", "check the host in the address"
        )
    if number in _NO_PERMISSION:
        return _no_permission(error, address)
    if address.kind == "unix":
        return _explain_unix(number, error, address)
    if number == errno.ENOENT:
        return HostFault(
            Fault.MISSING,
            f"a certificate for {address} is not there",
            "ca.pem, cert.pem and key.pem are looked for in DOCKER_CERT_PATH, or the context",
        )
    if number in _NO_ROUTE:
        return HostFault(
            Fault.MISSING, f"there is no way to {address}", "check the network and the address"
        )
    return _gone(number, error, address)


def _explain_unix(number: int | None, error: Exception, address: Address) -> HostFault:
    if number in (errno.ENOENT, errno.ENOTDIR):
        return HostFault(
            Fault.MISSING,
            f"there is no socket {address.path}",
            "the daemon does not run here, or listens elsewhere: see `systemctl status docker "
            "docker.socket`, or name its socket with --host",
        )
    if number in (errno.EPROTOTYPE, errno.ENOTSOCK) or not _is_socket(address.path):
        return HostFault(
            Fault.GARBLED,
            f"{address.path} is not a socket that a daemon listens on",
            "name the daemon's socket with --host; usual is unix:///var/run/docker.sock",
        )
    return _gone(number, error, address)


def _gone(number: int | None, error: Exception, address: Address) -> HostFault:
    if number == errno.ECONNREFUSED:
        return HostFault(
            Fault.REFUSED,
            f"nobody listens on {address}",
            "the daemon is down: see `systemctl status docker`",
        )
    if number in _GONE:
        return broke_off(address)
    text = os.strerror(number) if number else str(error)
    return HostFault(Fault.REFUSED, f"{address} cannot be reached: {text}", "check the address")


def broke_off(address: Address, heard: bool = False) -> HostFault:
    """The other side ended the connection before it had answered whole. Where a part of the answer
    was `heard`, somebody lives there: half an answer is no sign of death."""
    return HostFault(
        Fault.GARBLED if heard else Fault.REFUSED,
        f"{address} closed the connection before its answer was whole",
        "the daemon is stopping, or died just now: see `systemctl status docker`",
    )


def _no_permission(error: Exception, address: Address) -> HostFault:
    if address.kind == "unix":
        return HostFault(
            Fault.DENIED,
            f"no permission on {address.path}",
            "run as root, or join the group docker (which means root)",
        )
    return HostFault(
        Fault.DENIED,
        f"{address} may not be used: {error}",
        "check that the certificates can be read, and the local firewall",
    )


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)  # noqa: PTH116 follows links on purpose
    except OSError:
        return True  # it went away meanwhile: the first error tells more
