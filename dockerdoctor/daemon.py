"""The watchdog's process: `python -m dockerdoctor.daemon [--config FILE] [--dry-run] [--once]`.

Its own entry point, so that neither typer nor rich is in a root process that runs for months. Puts
the parts together, tells systemd how it is, reloads its rules on SIGHUP, and ends on SIGTERM.
Exit codes: 0 stopped, 70 our bug, 75 another one has this daemon, 77 not root, 78 configuration.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from dockerdoctor import compose, config, imageuse, pausing
from dockerdoctor.around import Hooks, Knowledge, Snapshot
from dockerdoctor.canary import Canary
from dockerdoctor.eaten import LastSurvey
from dockerdoctor.errors import ConfigError, DoctorError, Exit, HostFault, NotPermitted
from dockerdoctor.host import notify, web
from dockerdoctor.host.dryrun import DryRun
from dockerdoctor.host.linux import LinuxHost
from dockerdoctor.host.lock import Turn, held
from dockerdoctor.host.signals import Wishes
from dockerdoctor.host.textfile import Textfile
from dockerdoctor.host.webpages import Pages, Texts
from dockerdoctor.host.webserver import Server
from dockerdoctor.metricfamilies import PREFIX
from dockerdoctor.metrics import Metrics, Sources
from dockerdoctor.model import Climb, Policy, Severity
from dockerdoctor.sayings import News
from dockerdoctor.store import Store
from dockerdoctor.watch import Watch

log = logging.getLogger("dockerdoctor")
LANDING_S = 10.0
"""For a canary that is under way when we are stopped, to remove what it made."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until stopped; returns the exit code. Errors for people go to stderr."""
    options = _options(argv)
    _log_to_stderr()
    try:
        settings = config.load(options.config, os.environ)
        if os.geteuid() != 0 and settings.daemon.pidfile is None:
            raise NotPermitted("the watchdog must be root: it signals and restarts the daemon")
        with held(compose.watch_lock_path(settings), "watch"):
            run(settings, dry_run=options.dry_run, once=options.once)
    except DoctorError as error:
        log.error("%s", error.sentence)
        if error.hint:
            log.error("hint: %s", error.hint)
        return error.exit
    except Exception:
        log.exception("a bug of ours: please report it with these lines")
        return Exit.BUG
    return Exit.OK


def run(settings: config.Config, *, dry_run: bool = False, once: bool = False) -> None:
    """The loop itself. Raises ConfigError for rules that cannot be used."""
    knowledge = compose.knowledge(settings)
    host = compose.host(settings)
    with ExitStack() as ending:  # from the last to the first
        ending.callback(host.close)
        turn = Turn(compose.lock_path(settings), "watch")
        ending.callback(turn.leave)
        store = Store.open(_record(settings, dry_run), host.now())
        ending.callback(store.shut)
        imageuse.begin(store, host.now().wall)
        sources = _sources(settings, host, turn)
        severities, pace_s = _severities(knowledge), settings.watch.pace_s
        metrics = Metrics(knowledge.probes, severities, knowledge.rungs, sources, pace_s)
        control = DryRun(host, log.info) if dry_run else host
        canary = textfile = None
        if settings.canary.enabled and not once:
            canary = Canary(control, settings.canary.every_s, lambda: turn.why)
            ending.callback(canary.land, LANDING_S)
        if settings.metrics.textfile and not once:
            textfile = Textfile(settings.metrics.textfile, metrics.registry, PREFIX)
            ending.callback(textfile.remove)

        def policy() -> Policy:
            return replace(settings.policy, paused=turn.why)

        hooks = _hooks(metrics, textfile, canary)
        watch = compose.watch(settings, knowledge, control, store, policy, hooks)
        if not once and (server := _serve(settings, metrics, host)):
            ending.callback(server.stop)
        ending.callback(notify.notify, STOPPING=1)
        _loop(settings, host, turn, watch, store, metrics, once)


def _loop(
    settings: config.Config,
    host: LinuxHost,
    turn: Turn,
    watch: Watch,
    store: Store,
    metrics: Metrics,
    once: bool,
) -> None:
    """Until somebody wants an end."""
    wishes, news = Wishes(), News()
    log.info("watching %s by %d rules", host.address, len(watch.knowledge.rules))
    while not wishes.stop:
        if wishes.take_reload():
            _reload(settings, watch, metrics)
        began = host.now().mono
        turn.ask(_paused(settings, host.now().wall), began)
        _cycle(watch, store, news, began)
        if once:
            break
        wishes.wait(watch.pause_s() - (host.now().mono - began))


def _record(settings: config.Config, dry_run: bool) -> Path:
    """A dry run must not put on record what nobody did."""
    return settings.watch.run_dir / "dry-run.sqlite" if dry_run else settings.watch.record


def _sources(settings: config.Config, host: LinuxHost, turn: Turn) -> Sources:
    asked = settings.metrics
    return Sources(
        host.events,
        host.roster,
        asked.max_containers if asked.container_labels else 0,
        LastSurvey(settings.watch.eaten),
        lambda: turn.others_s,
    )


def _serve(settings: config.Config, metrics: Metrics, host: LinuxHost) -> Server | None:
    """The metrics endpoint. A port that is taken must not keep the watchdog from its work."""
    if settings.metrics.address is None:
        return None
    try:
        return web.serve(
            settings.metrics.address,
            Pages(
                Texts(metrics.registry, lambda: metrics.generation),
                lambda: metrics.healthy(host.now()),
                metrics.ready,
            ),
            settings.metrics.web_config,
            settings.metrics.allow_insecure,
        )
    except HostFault as fault:
        log.error("no metrics: %s", fault.sentence)
        return None


def _severities(knowledge: Knowledge) -> Mapping[str, Severity]:
    return {rule.name: rule.severity for rule in knowledge.rules}


def _cycle(watch: Watch, store: Store, news: News, began: float) -> None:
    sentence = watch.cycle()
    if news.is_news(watch.decision, sentence, began):
        log.log(logging.INFO if watch.is_well() else logging.WARNING, "%s", sentence)
    notify.notify(READY=1, STATUS=sentence)
    for note in store.take_notes():
        log.warning("%s", note)


def _reload(settings: config.Config, watch: Watch, metrics: Metrics) -> None:
    """New rules, or the old ones and a word about it."""
    notify.notify(STATUS="reading its rules again")
    try:
        watch.learn(compose.knowledge(settings))
    except ConfigError as error:
        log.error("the old rules stay: %s", error.sentence)
        return
    metrics.learn(_severities(watch.knowledge))
    log.info("read %d rules again", len(watch.knowledge.rules))


def _paused(settings: config.Config, now: float) -> str:
    """Why an operator wants nobody to act now; empty when nobody does."""
    return pausing.paused(pausing.read(pausing.pause_path(settings.watch.state_dir)), now)


def _hooks(metrics: Metrics, textfile: Textfile | None, canary: Canary | None) -> Hooks:
    def looked(seen: Snapshot) -> None:
        _looked(metrics, textfile, seen)
        if canary:
            canary.look(seen)

    return Hooks(
        looked=looked,
        closed=metrics.closed,
        say=log.info,
    )


def _looked(metrics: Metrics, textfile: Textfile | None, snapshot: Snapshot) -> None:
    """Called at each look: the watchdog's timer is fed only by a loop that advances."""
    metrics.looked(snapshot)
    if textfile and (failure := textfile.write(snapshot.judgement.verdict.at)):
        log.error("%s", failure)
    notify.notify(WATCHDOG=1)
    if isinstance(snapshot.decision, Climb) and snapshot.climbing:
        notify.notify(STATUS=f"climbing {snapshot.climbing}: {snapshot.decision.why}")


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("dockerdoctor watch", description="the watchdog itself")
    parser.add_argument("--config", type=Path, help="its configuration (TOML)")
    parser.add_argument("--dry-run", action="store_true", help="look for real, act in the log only")
    parser.add_argument("--once", action="store_true", help="one cycle, then end")
    return parser.parse_args(argv)


def _log_to_stderr() -> None:
    """Plain lines for a terminal; with syslog's priorities where stderr is the journal."""
    handler = logging.StreamHandler(sys.stderr)
    in_journal = "JOURNAL_STREAM" in os.environ
    handler.setFormatter(
        _JournalLines() if in_journal else logging.Formatter("%(asctime)s %(message)s")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


class _JournalLines(logging.Formatter):
    """`<4>sentence`: journald takes the priority from it. A line break would end the entry."""

    def format(self, record: logging.LogRecord) -> str:
        level = 3 if record.levelno >= logging.ERROR else 4 if record.levelno >= 30 else 6
        text = super().format(record)
        return "\n".join(f"<{level}>{line}" for line in text.splitlines())


if __name__ == "__main__":
    sys.exit(main())
