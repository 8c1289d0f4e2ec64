"""`disk reclaim`: survey, plan, question, act, record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from dockerdoctor import compose
from dockerdoctor.allowed import Allowed
from dockerdoctor.cli import reclaimtext, terminal
from dockerdoctor.cli.asking import agreed, may_ask
from dockerdoctor.cli.options import Options, value_of
from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
from dockerdoctor.cli.reclaiming import Reclaimed, reclaim
from dockerdoctor.cli.surveying import surveyed
from dockerdoctor.config import Config
from dockerdoctor.errors import DoctorError, HostFault, UsageError
from dockerdoctor.host import clock
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.nouns import Service
from dockerdoctor.host.storage.facts import Survey
from dockerdoctor.imageuse import recalled
from dockerdoctor.reclaim import STAT_S, Plan, Room, fullness, plan, room
from dockerdoctor.record import Record
from dockerdoctor.rungs.prune import STEADY_S
from dockerdoctor.units import parse_ratio, plain_bytes, plain_ratio

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import ReclaimJson

PING_S = 5.0
IMAGES_S = 60.0


class Also(Struct, frozen=True):
    """What may go too, said on the command line."""

    logs: bool = False
    volumes: bool = False
    orphans: bool = False


def reclaim_now(
    options: Options, *, apply: bool, to: str, also: Also, yes: bool, json: bool
) -> int:
    """Returns the exit code."""
    config = options.load()
    allowed = _allowed(config.disk, to, also)
    if apply and not yes and not may_ask(options):
        raise UsageError(
            "reclaim asks before it removes anything, and there is nobody to ask",
            "say --yes, or see what it would do without --apply",
        )
    host = compose.host(config, options.own_address(config))
    try:
        answers = _answers(host, allowed, apply)
        found, _ = surveyed(config)
        if answers:
            found = _with_images(host, found, apply)
        now, where = clock.now().wall, room(host, found)
        use, uses = host.disk(where.path, STAT_S), _uses(config)
        steady, all_of_it = _steady(host, allowed), answers or not apply
        wanted = plan(found, use, allowed, uses, now, steady, all_of_it, where.kinds)
        told = reclaimtext.plan_text(wanted, where, use, allowed, now, terminal.width())
        if not apply or not wanted.steps:
            if json:
                terminal.emit_raw(_json(wanted, where, None))
            else:
                terminal.emit(told)
            return int(apply and bool(wanted.short.bytes or wanted.short.inodes))
        terminal.say(told)
        if not yes and not agreed(_question(wanted)):
            terminal.say("nothing was done")
            return 1
        came = reclaim(config, host, where, wanted, allowed)
    finally:
        host.close()
    return _tell(wanted, where, came, json)


def _allowed(configured: Allowed, to: str, also: Also) -> Allowed:
    allowed = replace(
        configured,
        cut_logs=configured.cut_logs or also.logs,
        anonymous_volumes=configured.anonymous_volumes or also.volumes,
        orphans=configured.orphans or also.orphans,
    )
    if not to:
        return allowed
    stop = value_of("--to", to, parse_ratio)
    if not 0 < stop < 1:
        raise UsageError(f"--to: must be more than 0% and less than 100%, not {to}")
    return replace(allowed, start_ratio=0.0, stop_ratio=stop)


def _answers(host: LinuxHost, allowed: Allowed, apply: bool) -> bool:
    """One that does not answer is asked to remove nothing. HostFault where nothing else may go."""
    try:
        host.ping(PING_S)
    except HostFault as fault:
        if apply and not (allowed.cut_logs or allowed.orphans):
            raise
        when = "is" if apply else "would now be"
        terminal.say(f"{fault.sentence}: only what needs no daemon {when} removed")
        return False
    return True


def _with_images(host: LinuxHost, found: Survey, apply: bool) -> Survey:
    """A plan alone is shown also where no daemon tells of its images."""
    try:
        return host.with_images(found, IMAGES_S)
    except HostFault:
        if apply:
            raise
        return found


def _uses(config: Config) -> Mapping[str, float]:
    try:
        return recalled(Record(config.watch.record))
    except DoctorError:  # no watchdog has run here: the databases' own dates must do
        return {}


def _steady(host: LinuxHost, allowed: Allowed) -> bool:
    """Whether the daemon has run for so long that what is stopped is stopped."""
    try:
        since = host.service(Service.DOCKERD).left_inactive_mono_s
    except DoctorError:
        return False
    return since is None or host.now().mono - since >= min(STEADY_S, allowed.grace_s)


def _question(wanted: Plan) -> str:
    things = "1 thing" if len(wanted.steps) == 1 else f"{len(wanted.steps)} things"
    return f"Remove these ({things})?"


def _tell(wanted: Plan, where: Room, came: Reclaimed, json: bool) -> int:
    if json:
        terminal.emit_raw(_json(wanted, where, came))
    else:
        gone = [done for done in came.done if not done.why]
        frees = plain_bytes(sum(done.step.frees.bytes for done in gone))
        full = plain_ratio(fullness(came.use))
        head = "stopped" if came.stopped else "done" if came.enough else "not enough"
        terminal.emit(f"{head}: {len(gone)} removed, about {frees}; the disk is {full} full now")
        if not (came.enough or came.stopped):
            terminal.emit("    what still eats it: `dockerdoctor disk`, `dockerdoctor disk logs`")
        record = f"on record: dockerdoctor incidents show {came.incident}"
        terminal.emit(
            f"    {record if came.incident else 'not on record: it could not be written'}"
        )
    return 130 if came.stopped else 0 if came.enough else 1


def _json(wanted: Plan, where: Room, came: Reclaimed | None) -> bytes:
    told: ReclaimJson = {
        "schema_version": SCHEMA_VERSION,
        "plan": reclaimtext.plan_json(wanted, where),
    }
    if came is not None:
        if came.incident:
            told["incident"] = came.incident
        told["enough"] = came.enough
        told["done"] = [
            {"id": done.step.what.ident, "name": done.step.name, "why_not": done.why}
            for done in came.done
        ]
    return pretty(told)
