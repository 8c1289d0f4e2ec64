"""*Docker fleet*: all hosts: who is sick, what is healing now, versions, budgets, the worst."""

from __future__ import annotations

from tools.dashboards import daemon
from tools.dashboards.panels import (
    GREEN,
    HOST,
    RED,
    YELLOW,
    Json,
    bars,
    graph,
    number,
    rows,
    table,
    target,
)
from tools.dashboards.queries import FIRING, RUNBOOK, in_range, series

UID = "dockerdoctor-fleet"
TITLE = "Docker fleet"
SAYS = "All hosts: who is sick, what is healed now, versions, budgets, the worst of each vital."

TO_HOST: Json = {
    "title": "This host",
    "url": f"/d/{daemon.UID}?var-datasource=${{datasource}}&var-job=${{__data.fields.job}}"
    "&var-instance=${__data.fields.instance}&${__url_time_range}",
}
WORST = 10


def panels() -> list[Json]:
    """All of them."""
    return rows(
        ("Now", [(4, _now())]),
        ("Who needs help", [(9, _sick()), (8, _alerts())]),
        ("Over time", [(8, _over_time())]),
        ("The worst", [(9, _worst())]),
        ("Healing", [(8, _healing())]),
        ("Versions", [(8, _versions())]),
    )


def _now() -> list[Json]:
    def hosts(health: str) -> Json:
        is_it = series("health", f'health="{health}"')
        return target(f"sum({is_it})", health, now=True)

    return [
        number(
            "Hosts",
            "Watchdogs that are scraped.",
            target(f"count({series('build_info')})", "hosts", now=True),
        ),
        number("Well", "Daemons that are well.", hosts("well")),
        number("Sick", "Daemons for which a rule holds.", hosts("sick"), steps=[(1, RED)]),
        number(
            "Blind",
            "Hosts on which a watchdog cannot see enough to act.",
            hosts("blind"),
            steps=[(1, YELLOW)],
        ),
        number(
            "Absent",
            "Watchdogs that cannot be scraped.",
            target(f"count(up{{{HOST}}} == 0) or vector(0)", "absent", now=True),
            steps=[(1, RED)],
        ),
        number(
            "Given up",
            "Hosts on which no rung is left: a person must look.",
            target(f"count({series('given_up')} > 0) or vector(0)", "given up", now=True),
            steps=[(1, RED)],
        ),
    ]


def _sick() -> list[Json]:
    sick = series("findings") + " == 1"
    healing = series("climbing") + " == 1"
    keeping_still = series("hold", 'reason!~"well|told"') + " == 1"
    return [
        table(
            "Who is sick",
            "Every rule that holds now. The host leads to its own dashboard.",
            sick,
            hidden=("Value",),
            links={"instance": TO_HOST},
        ),
        table(
            "Healing now",
            "The rung that is being climbed.",
            healing,
            hidden=("Value",),
            links={"instance": TO_HOST},
        ),
        table(
            "Kept still",
            "Hosts on which dockerdoctor would act and does not, and why.",
            keeping_still,
            hidden=("Value",),
            links={"instance": TO_HOST},
        ),
    ]


def _alerts() -> list[Json]:
    return [
        table(
            "Alerts that fire",
            "Alerts of the shipped rules. The name leads to its runbook.",
            FIRING,
            hidden=("Value", "rule"),
            links={"alertname": RUNBOOK, "instance": TO_HOST},
        )
    ]


def _over_time() -> list[Json]:
    well = series("health", 'health="well"')
    return [
        graph(
            "Health of the fleet",
            "Hosts by verdict.",
            target(f"sum by (health) ({series('health')})", "{{health}}"),
            unit="short",
            stacked=True,
        ),
        graph(
            "Share that is not well",
            "Sick or blind. More than a tenth at once is a cause that they share.",
            target(f"1 - avg by (job) ({well})", "{{job}}"),
            unit="percentunit",
            steps=[(0.1, RED)],
            most=1,
        ),
        graph(
            "Rules that hold",
            "On how many hosts.",
            target(f"sum by (rule) ({series('findings')}) > 0", "{{rule}}"),
            unit="short",
            stacked=True,
        ),
    ]


def _worst() -> list[Json]:
    def worst(name: str) -> Json:
        return target(f"topk({WORST}, {series(name)})", "{{instance}}", now=True)

    return [
        bars(
            "Slowest starts",
            "The slowest container start of the last ten minutes, on the ten worst hosts.",
            worst("events_slowest_start_seconds"),
            unit="s",
            steps=[(30, RED)],
        ),
        bars(
            "Fullest data-roots",
            "The ten fullest.",
            worst("data_root_used_ratio"),
            unit="percentunit",
            steps=[(0.85, YELLOW), (0.95, RED)],
        ),
        bars(
            "Largest daemons",
            "Resident memory of dockerd, the ten largest.",
            worst("daemon_rss_bytes"),
            unit="bytes",
            steps=[(4 * 2**30, YELLOW), (6 * 2**30, RED)],
        ),
        bars(
            "Slowest sockets",
            "How long the last answer to a ping took, on the ten worst hosts.",
            worst("ping_latency_seconds"),
            unit="s",
            steps=[(1, RED)],
        ),
    ]


def _healing() -> list[Json]:
    cures = f"sum by (instance) (increase({series('cures_total')}[$__range]))"
    return [
        bars(
            "Least budget left",
            "Costly climbs that the policy still allows, on the ten poorest hosts.",
            target(f"bottomk({WORST}, {series('climbs_left')})", "{{instance}}", now=True),
            unit="short",
            steps=[(0, RED), (1, YELLOW), (3, GREEN)],
        ),
        bars(
            "Healed most often",
            "Cures in the range shown: a host that is healed again and again has a cause.",
            target(f"topk({WORST}, {cures})", "{{instance}}", now=True),
            unit="short",
            steps=[(3, YELLOW)],
        ),
        bars(
            "Incidents by rule",
            "Opened in the range shown, all hosts together.",
            in_range("incidents_total", "rule"),
            unit="short",
        ),
        bars(
            "Rungs that cured",
            "In the range shown, all hosts together.",
            in_range("cures_total", "rung"),
            unit="short",
        ),
    ]


def _versions() -> list[Json]:
    def by(metric: str, label: str) -> Json:
        return target(f"count by ({label}) ({series(metric)})", f"{{{{{label}}}}}", now=True)

    return [
        bars(
            "Engines", "Hosts by version of dockerd.", by("api_version_info", "value"), unit="short"
        ),
        bars(
            "Storage drivers",
            "Hosts by driver.",
            by("api_storage_driver_info", "value"),
            unit="short",
        ),
        bars(
            "dockerdoctor",
            "Hosts by version of the watchdog.",
            by("build_info", "version"),
            unit="short",
        ),
    ]
