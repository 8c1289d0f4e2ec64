"""Panels of one dockerd: the five vitals with their thresholds, its starts, disks and process."""

from __future__ import annotations

from tools.dashboards.panels import GREEN, RED, YELLOW, Json, graph, heatmap, number, target
from tools.dashboards.queries import per_second, quantile, series, spread

GIB = 2**30


def times() -> list[Json]:
    """Memory, socket, starts."""
    return [
        graph(
            "Memory of dockerd",
            "Resident memory. 4 GiB for long is a warning, more than 6 GiB critical; a build may "
            "take 20 GB and give them back.",
            target(series("daemon_rss_bytes"), "{{instance}}"),
            unit="bytes",
            steps=[(4 * GIB, YELLOW), (6 * GIB, RED)],
        ),
        graph(
            "Socket response time",
            "How long the answer to a ping took; no answer counts as the time that was waited.",
            target(quantile(0.5, "socket_response_seconds"), "{{instance}} half"),
            target(quantile(0.99, "socket_response_seconds"), "{{instance}} 99 of 100"),
            unit="s",
            steps=[(1, RED)],
        ),
        graph(
            "Container start time",
            "From create to start, by the event stream. More than 30 s is slow.",
            target(quantile(0.5, "container_start_seconds"), "{{instance}} half"),
            target(quantile(0.95, "container_start_seconds"), "{{instance}} 95 of 100"),
            target(series("events_slowest_start_seconds"), "{{instance}} slowest in 10 min"),
            unit="s",
            steps=[(30, RED)],
        ),
    ]


def counts() -> list[Json]:
    """Failed starts, the data-root."""
    return [
        graph(
            "Container starts in an hour",
            "Starts, and starts that failed, at the pace of the moment.",
            target(f"3600 * {per_second('container_starts_total')}", "{{instance}} started"),
            target(f"3600 * {per_second('container_start_failures_total')}", "{{instance}} failed"),
            unit="short",
        ),
        graph(
            "Data-root",
            "Used share of bytes and of inodes. 85 % is a warning; at 95 % dockerdoctor prunes.",
            target(series("data_root_used_ratio"), "{{instance}} bytes"),
            target(series("data_root_inodes_used_ratio"), "{{instance}} inodes"),
            unit="percentunit",
            steps=[(0.85, YELLOW), (0.95, RED)],
            most=1,
        ),
    ]


def events() -> list[Json]:
    """Where starts and answers fall, and how busy the event stream is."""
    return [
        heatmap(
            "Start times",
            "How many containers took how long from create to start.",
            spread("container_start_seconds"),
            unit="s",
        ),
        heatmap(
            "Response times",
            "How many pings were answered how fast.",
            spread("socket_response_seconds"),
            unit="s",
        ),
        graph(
            "Events",
            "Events of the stream in a second; gaps are times when it broke.",
            target(per_second("events_events_total"), "{{instance}} events"),
            target(per_second("events_gaps_total"), "{{instance}} gaps"),
            unit="ops",
        ),
    ]


def disk() -> list[Json]:
    """By file system, and how long it lasts."""
    free = series("data_root_free_bytes")
    places = (
        ("disk_used_ratio", "data-root"),
        ("disk_run_used_ratio", "/run"),
        ("disk_containerd_used_ratio", "containerd"),
    )
    full_in = f"clamp_max({free} / clamp_min(-deriv({free}[1h]), 1), 30 * 86400)"
    return [
        graph(
            "Used by file system",
            "The places that a daemon dies of: its data-root, /run and containerd's root.",
            *(target(series(name), f"{{{{instance}}}} {place}") for name, place in places),
            unit="percentunit",
            steps=[(0.85, YELLOW), (0.95, RED)],
            most=1,
        ),
        graph(
            "Free space for the data-root",
            "What is left, in bytes.",
            target(free, "{{instance}}"),
            unit="bytes",
        ),
        number(
            "Full in",
            "When the data-root is full if it goes on as in the last hour; a month at most.",
            target(full_in, "{{instance}}", now=True),
            unit="s",
            steps=[(0, RED), (3600, YELLOW), (86400, GREEN)],
        ),
    ]


def process() -> list[Json]:
    """What dockerd uses, and what it keeps."""
    return [
        graph(
            "Processor time",
            "Cores that dockerd uses.",
            target(per_second("process_cpu_seconds_total"), "{{instance}}"),
            unit="short",
        ),
        graph(
            "Goroutines, threads, files",
            "What grows when something leaks. Goroutines are missing while /info hangs.",
            target(series("api_goroutines"), "{{instance}} goroutines"),
            target(series("process_threads"), "{{instance}} threads"),
            target(series("process_fds"), "{{instance}} files"),
            unit="short",
        ),
        graph(
            "Containers",
            "By state. Dead ones could not be removed.",
            target(series("containers_running"), "{{instance}} running"),
            target(series("containers_restarting"), "{{instance}} restarting"),
            target(series("containers_dead"), "{{instance}} dead"),
            unit="short",
        ),
        graph(
            "Restarts of dockerd",
            "Times that it became another process, whoever restarted it.",
            target(f"changes({series('process_pid')}[$__rate_interval])", "{{instance}}"),
            unit="short",
        ),
    ]
