"""Panels of one dockerd: the five vitals with their thresholds, its starts, disks and process."""

from __future__ import annotations

from tools.dashboards.panels import (
    GREEN,
    RED,
    YELLOW,
    Json,
    bars,
    graph,
    heatmap,
    number,
    target,
)
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


def consumers() -> list[Json]:
    """What eats the data-root, and how old that knowledge is."""
    taken = series("disk_survey_timestamp_seconds")
    eaten = f"sum by (instance, consumer) ({series('disk_consumer_bytes')})"
    return [
        graph(
            "Data-root by consumer",
            "What ate it at the last survey: `dockerdoctor disk`, daily by its timer. Cache is the "
            "build cache; orphans are layers that no database knows.",
            target(eaten, "{{instance}} {{consumer}}"),
            unit="bytes",
            stacked=True,
        ),
        bars(
            "Largest consumers",
            "By the last survey. `dockerdoctor disk` names the images, volumes and logs.",
            target(f"sort_desc({eaten})", "{{instance}} {{consumer}}", now=True),
            unit="bytes",
        ),
        number(
            "Surveyed",
            "How long ago that was. None: `systemctl status dockerdoctor-disk.timer`.",
            target(f"{series('last_look_timestamp_seconds')} - {taken}", "{{instance}}", now=True),
            unit="s",
            steps=[(0, GREEN), (2 * 86400, YELLOW)],
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


def host() -> list[Json]:
    """What tells a hung daemon from a starved host, and from a kernel that holds it."""
    return [
        graph(
            "Pressure",
            "Share of time in which tasks waited: some for a processor, all for memory or a disk.",
            target(series("pressure_cpu_some_ratio"), "{{instance}} processor"),
            target(series("pressure_memory_full_ratio"), "{{instance}} memory"),
            target(series("pressure_io_full_ratio"), "{{instance}} disk"),
            unit="percentunit",
            most=1,
        ),
        graph(
            "Load for each processor",
            "The load average of one minute, divided by the processors.",
            target(series("pressure_load_per_cpu"), "{{instance}}"),
            unit="short",
        ),
        graph(
            "Swapped",
            "Memory written to swap and read back. A host that swaps answers in tens of seconds.",
            target(per_second("pressure_swapped_out_bytes_total"), "{{instance}} out"),
            target(per_second("pressure_swapped_in_bytes_total"), "{{instance}} in"),
            unit="Bps",
        ),
        graph(
            "Held",
            "How long the kernel has held a thread of a daemon, and how long a container has hung.",
            target(series("kernel_daemon_held_seconds"), "{{instance}} a daemon"),
            target(series("kernel_others_held_seconds"), "{{instance}} a container's process"),
            target(series("locks_stuck_seconds"), "{{instance}} a container's lock"),
            unit="s",
        ),
    ]
