"""One docker daemon over its API. In: an Address. Out: the nouns of `view`, or HostFault.

Looking goes through `http` (true deadlines, 1 MB); acting, which is rare, through the docker SDK,
which is only then imported (20 MB). Each call has a total deadline, and no call is made while one
of its kind hangs (`lanes`). Looks use unversioned paths, so that an old or a new daemon cannot
refuse them; actions use the version that both sides know.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from dockerdoctor.errors import HostFault
from dockerdoctor.host import answers, goroutines, http, imagestore, removal
from dockerdoctor.host.address import Address
from dockerdoctor.host.lanes import Lanes
from dockerdoctor.host.nouns import Container, EngineInfo, Pong
from dockerdoctor.host.storage.facts import Removal, Survey
from dockerdoctor.host.traces import Builds
from dockerdoctor.model import Fault

if TYPE_CHECKING:
    from docker import APIClient

PATIENCE_S = 300.0
"""How long a call that its caller has given up on is left waiting before its connection is cut."""
MAX_LIST = 1 << 27
"""128 MiB: 50,000 containers with 2 kB of labels each."""
MANY = 3_000
"""Goroutines. The stacks of 2,049 took 80 ms and 3 MB, of 8,049 670 ms and 13 MB (26.1.5)."""
MAX_STACKS = 1 << 24
Result = TypeVar("Result")


class Engine:
    """A daemon's API. Making one does not connect. Safe for use by several threads."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lanes = Lanes()
        self._lock = threading.Lock()
        self._version = ""

    def forget(self) -> None:
        """Agree on an API version anew: the daemon was restarted, and may be another one."""
        with self._lock:
            self._version = ""

    def ping(self, timeout_s: float) -> Pong:
        """`GET /_ping`; see `http.ping`."""
        return http.ping(self.address, timeout_s)

    def info(self, timeout_s: float) -> EngineInfo:
        """`GET /info`. Hangs while containerd hangs."""
        return answers.engine_info(self._get("GET /info", "/info", timeout_s))

    def containers(self, timeout_s: float) -> tuple[Container, ...]:
        """All containers by one list call, which takes no container's lock."""
        body = self._get("GET /containers/json", "/containers/json?all=1", timeout_s, MAX_LIST)
        return tuple(answers.from_list(line) for line in answers.listed(body))

    def container(self, ident: str, timeout_s: float) -> Container:
        """One container by inspect, which takes its lock. HostFault(MISSING) if it is gone."""
        return answers.from_inspect(self._inspect(ident, timeout_s))

    def start_error(self, ident: str, timeout_s: float) -> str:
        """Why a container's last start failed; empty if it did not. By inspect, as `container`."""
        return answers.start_error(self._inspect(ident, timeout_s))

    def hangs_since(self, ident: str) -> float | None:
        """Since when `container` has not been answered (monotonic clock, s); None while nobody
        waits for such an answer any more."""
        return self._lanes.hangs_since(_lane(ident))

    def answered_late(self, ident: str) -> float:
        """When `container` was answered after it had been given up on; see `lanes`."""
        return self._lanes.late_answer(_lane(ident))

    def inspects(
        self, idents: Sequence[str], timeout_s: float
    ) -> Generator[Container | None, None, None]:
        """Each of these by inspect, in order and over one connection, which costs a third; None
        for what is no container's. `timeout_s` is for each; the first that is late ends it."""
        for answer in http.asks(self.address, [_target(each) for each in idents], timeout_s):
            try:
                yield answers.from_inspect(answer.body) if answer.head.status == 200 else None
            except HostFault:
                yield None

    def builds(self, timeout_s: float, ages: bool = False) -> Builds:
        """The image builds, copies, diffs and prunes that run. Takes no container's lock. `ages`:
        also how long a prune has stood still, which stops the daemon for a moment (see MANY)."""
        deadline = time.monotonic() + timeout_s
        found = self._goroutines(timeout_s)
        prunes = goroutines.prunes(found)
        old = ages and prunes and goroutines.total(found) <= MANY
        return Builds(
            goroutines.builds(found),
            copies=goroutines.copies(found),
            prunes=prunes,
            pruning_s=self._pruning_s(deadline - time.monotonic()) if old else 0.0,
        )

    def _pruning_s(self, timeout_s: float) -> float:
        """0 where it cannot be known."""
        try:
            found = self._get("stacks", goroutines.STACKS, max(0.1, timeout_s), MAX_STACKS)
        except HostFault:
            return 0.0
        return goroutines.pruning_s(found)

    def waiting(self, timeout_s: float) -> int:
        """How many requests wait for a lock, or for what containerd is to do. Takes none itself."""
        return goroutines.waiting(self._goroutines(timeout_s))

    def with_images(self, found: Survey, timeout_s: float) -> Survey:
        """What only the daemon can tell where there is no layer database: see `imagestore`."""
        deadline = time.monotonic() + timeout_s

        def ask(target: str) -> bytes:
            left = max(0.1, deadline - time.monotonic())
            return self._get(f"GET {target[:80]}", target, left, MAX_LIST)

        return imagestore.with_images(found, ask)

    def stored_images(self, timeout_s: float) -> tuple[imagestore.Stored, ...]:
        """The images as one list tells them: 5 ms each with containerd's store (28.5)."""
        return imagestore.stored(
            self._get("GET /images/json", imagestore.LIST, timeout_s, MAX_LIST)
        )

    def remove(self, what: Removal, timeout_s: float) -> str:
        """One thing, if it may still go: see `removal`. Why it stays, or empty."""
        return self._act(
            f"removal of {what.kind}", lambda api: removal.remove(api, what), timeout_s
        )

    def start_container(self, ident: str, timeout_s: float) -> None:
        """Start a container; nothing happens to one that runs. HostFault(MISSING) if it is gone."""
        name = _named(ident)
        self._act(f"start of {name}", lambda api: api.start(name), timeout_s)

    def ask(
        self, kind: str, method: str, target: str, timeout_s: float, content: bytes | None = None
    ) -> http.Answer:
        """One call by path alone, as it is answered: JSON or, to the images, a tar goes in."""
        media = "application/x-tar" if target.startswith("/images/") else "application/json"
        patience = max(PATIENCE_S, timeout_s)
        return self._lanes.run(
            kind,
            lambda: http.ask(self.address, method, target, patience, http.MAX_BODY, content, media),
            timeout_s,
        )

    def hanging(self) -> int:
        """Calls that were given up on and hang still."""
        return self._lanes.hanging()

    def _goroutines(self, timeout_s: float) -> bytes:
        return self._get("list of goroutines", goroutines.TARGET, timeout_s)

    def _inspect(self, ident: str, timeout_s: float) -> bytes:
        return self._get(_lane(ident), _target(_named(ident)), timeout_s)

    def _get(
        self, kind: str, target: str, timeout_s: float, max_body: int = http.MAX_BODY
    ) -> bytes:
        patience = max(PATIENCE_S, timeout_s)
        answer = self._lanes.run(
            kind, lambda: http.ask(self.address, "GET", target, patience, max_body), timeout_s
        )
        if answer.head.status == 200:
            return answer.body
        raise answers.not_granted(answer, self.address)

    def _act(self, kind: str, call: Callable[[APIClient], Result], timeout_s: float) -> Result:
        def work() -> Result:
            api = _client(self.address, self._agreed_version(timeout_s), max(PATIENCE_S, timeout_s))
            try:
                return call(api)
            finally:
                api.close()

        try:
            return self._lanes.run(kind, lambda: _translated(self.address, work), timeout_s)
        except HostFault as fault:
            if "client version" in fault.sentence:
                self.forget()
            raise

    def _agreed_version(self, timeout_s: float) -> str:
        with self._lock:
            known = self._version
        if not known:
            known = self._negotiate(timeout_s)
            with self._lock:
                self._version = known
        return known

    def _negotiate(self, timeout_s: float) -> str:
        from docker.constants import DEFAULT_DOCKER_API_VERSION as NEWEST

        spoken = self.ping(timeout_s).api_version
        if not _VERSION.fullmatch(spoken):
            raise answers.garbled("GET /_ping", f"its API version is {spoken!r}")
        if _parts(spoken) <= _parts(NEWEST):
            return spoken
        oldest = answers.minimum_version(self._get("GET /version", "/version", timeout_s))
        return agreed(spoken, oldest, NEWEST)


_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,4}")


def agreed(spoken: str, oldest: str, newest: str) -> str:
    """The API version to use: what the daemon speaks, at most what we know (`newest`), at least
    what the daemon still takes (`oldest`, may be empty)."""
    ours = min(spoken, newest, key=_parts)
    return max(ours, oldest, key=_parts) if _VERSION.fullmatch(oldest) else ours


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _target(ident: str) -> str:
    return f"/containers/{quote(ident, safe='')}/json"


def _lane(ident: str) -> str:
    return f"inspect of {ident[:64]}"


def _named(ident: str) -> str:
    if not ident or "/" in ident:
        raise HostFault(Fault.MISSING, f"no container can be called {ident!r}")
    return ident


def _client(address: Address, version: str, timeout_s: float) -> APIClient:
    """The SDK's client for exactly this address: never from the environment or a context."""
    from docker import APIClient
    from docker.tls import TLSConfig

    tls: Any = False
    if address.tls is not None:
        files = address.tls
        pair = (str(files.cert), str(files.key)) if files.cert and files.key else None
        tls = TLSConfig(client_cert=pair, ca_cert=files.ca and str(files.ca), verify=files.verify)
    api = APIClient(base_url=str(address), version=version, timeout=timeout_s, tls=tls)
    api.trust_env = False  # else REQUESTS_CA_BUNDLE beats our ca.pem, and HTTP_PROXY our address
    return api


def _translated(address: Address, work: Callable[[], Result]) -> Result:
    """`work()`, with what the SDK raises as HostFault."""
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout

    try:
        return work()
    except APIError as error:
        status = error.response.status_code if error.response is not None else 500
        raise answers.refused(status, answers.printable(str(error.explanation or error))) from error
    except Timeout as error:
        raise HostFault(Fault.TIMEOUT, f"no answer on {address}", "the daemon hangs") from error
    except (DockerException, RequestException, OSError) as error:
        raise HostFault(
            Fault.REFUSED,
            f"{address} broke off: {answers.printable(str(error))}",
            "the daemon is stopping, or died just now: see `systemctl status docker`",
        ) from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise answers.garbled("an action", str(error)) from error
