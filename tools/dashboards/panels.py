"""Words for panels: each function takes what differs, and returns a panel as Grafana's JSON has it.

Every panel has a title, a description, a unit and the dashboard's own data source; `rows` numbers
them and lays them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

HOST = 'job=~"$job", instance=~"$instance"'
"""The selector of everything."""

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
COLUMNS = 24

GREEN, YELLOW, RED, BLUE, GREY = "green", "yellow", "red", "blue", "#888888"
VERDICT = {0: ("well", GREEN), 1: ("blind", YELLOW), 2: ("sick", RED)}
YES_NO = {0: ("no", RED), 1: ("yes", GREEN)}
NO_YES = {0: ("no", GREY), 1: ("yes", BLUE)}
FAULTY = {0: ("cannot look", RED), 1: ("looks", GREEN)}

Steps: TypeAlias = Sequence[tuple[float, str]]
Words: TypeAlias = Mapping[int, tuple[str, str]]
Section: TypeAlias = tuple[str, Sequence[tuple[int, Sequence[Json]]]]


def target(
    expression: str, legend: str = "", *, now: bool = False, form: str = "", exemplars: bool = False
) -> Json:
    """One query. `now`: the last value only; `form`: table or heatmap instead of a series."""
    return {
        "datasource": DATASOURCE,
        "expr": expression,
        "legendFormat": legend or "__auto",
        "instant": now,
        "range": not now,
        "format": form or "time_series",
        "exemplar": exemplars,
        "editorMode": "code",
    }


def graph(
    title: str,
    says: str,
    *targets: Json,
    unit: str,
    steps: Steps = (),
    stacked: bool = False,
    least: float | None = 0,
    most: float | None = None,
) -> Json:
    """Lines over time; thresholds are drawn as dashed lines."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if stacked else 8,
        "showPoints": "auto",
        "spanNulls": False,
        "stacking": {"mode": "normal" if stacked else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if steps else "off"},
    }
    options = {
        "legend": legend(True),
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    defaults: Json = {"unit": unit, "custom": custom, "thresholds": thresholds(steps)}
    bounds = {"min": least, "max": most}
    defaults |= {key: value for key, value in bounds.items() if value is not None}
    return _panel("timeseries", title, says, targets, defaults, options)


def number(
    title: str,
    says: str,
    query: Json,
    *,
    unit: str = "short",
    steps: Steps = (),
    words: Words | None = None,
    name_only: bool = False,
) -> Json:
    """One value now, large; `words` are shown instead of numbers, `name_only`: the legend is."""
    defaults = {"unit": unit, "thresholds": thresholds(steps), "mappings": mappings(words or {})}
    defaults |= {"noValue": "none", "color": {"mode": "thresholds"}}
    options = {
        "colorMode": "background" if steps or words else "value",
        "graphMode": "none",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "name" if name_only else "auto",
        "percentChangeColorMode": "standard",
        "showPercentChange": False,
        "wideLayout": True,
    }
    return _panel("stat", title, says, (query,), defaults, options)


def timeline(title: str, says: str, *targets: Json, words: Words) -> Json:
    """What a thing was at each time, as coloured bars with words."""
    custom = {"fillOpacity": 70, "lineWidth": 0}
    defaults = {"unit": "short", "custom": custom, "mappings": mappings(words), "noValue": "none"}
    options = {
        "alignValue": "left",
        "legend": legend(False),
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "auto",
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _panel("state-timeline", title, says, targets, defaults, options)


def heatmap(title: str, says: str, expression: str, *, unit: str) -> Json:
    """Where the observations of a histogram fall; `expression` is by `le`."""
    query = target(expression, "{{le}}", form="heatmap")
    options = {
        "calculate": False,
        "cellGap": 1,
        "color": {
            "mode": "scheme",
            "scheme": "Oranges",
            "steps": 64,
            "exponent": 0.5,
            "fill": "dark-orange",
            "reverse": False,
        },
        "exemplars": {"color": "rgba(255,0,255,0.7)"},
        "filterValues": {"le": 1e-9},
        "legend": {"show": True},
        "rowsFrame": {"layout": "auto"},
        "showValue": "never",
        "tooltip": {"mode": "single", "yHistogram": True},
        "yAxis": {"axisPlacement": "left", "reverse": False, "unit": unit},
    }
    return _panel("heatmap", title, says, (query,), {"unit": unit}, options)


def table(
    title: str,
    says: str,
    query: str,
    *,
    unit: str = "short",
    hidden: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    links: Mapping[str, Json] | None = None,
    words: Words | None = None,
) -> Json:
    """What holds now, a line each. `links` by column; `hidden` and `renamed` are columns too."""
    hide: Json = dict.fromkeys(("Time", "__name__", "alertstate", *hidden), True)
    overrides = [
        {
            "matcher": {"id": "byName", "options": column},
            "properties": [{"id": "links", "value": [link]}],
        }
        for column, link in (links or {}).items()
    ]
    defaults = {"unit": unit, "mappings": mappings(words or {}), "noValue": "none"}
    options = {"cellHeight": "sm", "frameIndex": 0, "showHeader": True}
    made = _panel(
        "table", title, says, (target(query, now=True, form="table"),), defaults, options, overrides
    )
    organized = {"excludeByName": hide, "renameByName": dict(renamed or {}), "indexByName": {}}
    return made | {"transformations": [{"id": "organize", "options": organized}]}


def bars(title: str, says: str, query: Json, *, unit: str, steps: Steps = ()) -> Json:
    """A bar for each series, now."""
    defaults = {"unit": unit, "min": 0, "thresholds": thresholds(steps), "noValue": "none"}
    options = {
        "displayMode": "basic",
        "legend": legend(False),
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "minVizWidth": 8,
        "namePlacement": "auto",
        "sizing": "auto",
        "orientation": "horizontal",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "showUnfilled": True,
        "valueMode": "color",
    }
    return _panel("bargauge", title, says, (query,), defaults, options)


def legend(shown: bool) -> Json:
    """Below the graph, or none."""
    return {"displayMode": "list", "placement": "bottom", "showLegend": shown, "calcs": []}


def thresholds(steps: Steps) -> Json:
    """Green below the first step, then each step's colour from its value on."""
    first: list[Json] = [{"color": GREEN, "value": None}]
    return {
        "mode": "absolute",
        "steps": first + [{"color": colour, "value": value} for value, colour in steps],
    }


def mappings(words: Words) -> list[Json]:
    """Words and colours for numbers."""
    if not words:
        return []
    options = {
        str(value): {"color": colour, "index": index, "text": text}
        for index, (value, (text, colour)) in enumerate(words.items())
    }
    return [{"type": "value", "options": options}]


def rows(*sections: Section) -> list[Json]:
    """Panels under the titles of their sections. Each line of a section comes as its height and its
    panels, which share its width."""
    made: list[Json] = []
    top = 0
    for title, lines in sections:
        made.append(_row(title, top, len(made) + 1))
        top += 1
        for height, panels in lines:
            width = COLUMNS // len(panels)
            for number, panel in enumerate(panels):
                place = {"x": number * width, "y": top, "w": width, "h": height}
                made.append(panel | {"id": len(made) + 1, "gridPos": place})
            top += height
    return made


def _row(title: str, top: int, ident: int) -> Json:
    place = {"x": 0, "y": top, "w": COLUMNS, "h": 1}
    return {
        "type": "row",
        "title": title,
        "collapsed": False,
        "panels": [],
        "id": ident,
        "gridPos": place,
    }


def _panel(
    kind: str,
    title: str,
    says: str,
    targets: Sequence[Json],
    defaults: Json,
    options: Json,
    overrides: Sequence[Json] = (),
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": says,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "targets": [each | {"refId": chr(ord("A") + n)} for n, each in enumerate(targets)],
    }
