"""The report of an incident, for people: HTML, Markdown, and what all incidents amount to."""

from __future__ import annotations

import gzip
import json
import os
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from dockerdoctor.cli.excerpts import excerpts
from dockerdoctor.cli.incidenthtml import html
from dockerdoctor.cli.incidentmarkdown import markdown
from dockerdoctor.cli.incidentreport import MANY, Report, report
from dockerdoctor.cli.incidentstats import saved, stats
from dockerdoctor.cli.plot import plot
from dockerdoctor.mask import Masked
from dockerdoctor.model import Attempt, Impact, Incident, Outcome, Sample, Severity
from tests.clirun import dockerdoctor, write_config
from tests.story import RULES
from tests.test_cli_commands import an_incident, clock, recorded
from tests.values import RUNGS, at, sample

HOSTILE = (
    '</title><script>alert(1)</script><img src=x onerror="alert(2)">|`*[x](http://e)\x1b[31m\u202e'
)
DUMP = Path(__file__).parent / "dumps" / "dockerd-26.1.5-stuck.log.gz"


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


def samples() -> list[Sample]:
    looks = [sample("ping", each, answered=True, latency_s=0.002) for each in range(-60, 0, 4)]
    looks += [sample("ping", each, answered=False) for each in range(0, 24, 2)]
    looks += [sample("ping", each, answered=True, latency_s=0.9) for each in range(24, 60, 4)]
    looks += [sample("process", each, rss_bytes=5 << 30, pid=7) for each in range(-60, 60, 15)]
    looks += [sample("disk", each, used_ratio=0.9) for each in range(-60, 60, 15)]
    return looks


def reported(incident: Incident | None = None, paths: tuple[str, ...] = ()) -> Report:
    masked = Masked()
    found = tuple(excerpts(paths, masked))
    told = incident or an_incident()
    return report(told, samples(), RULES, found, at(60).wall, masked.lines())


def hostile() -> Incident:
    attempts = (
        Attempt("sigkill", at(9).wall, Impact.NONE, at(10).wall, True, note=HOSTILE),
        Attempt(HOSTILE, at(9).wall, Impact.NONE, at(10).wall, False, True, note=HOSTILE),
    )
    return replace(
        an_incident(), says=HOSTILE, rule=HOSTILE, why=HOSTILE, attempts=attempts,
        evidence={"locks.stuck_name": HOSTILE},
    )  # fmt: skip


def test_the_page_tells_the_story_and_needs_nothing_else() -> None:
    text = html(reported(), clock)
    page = Page(text)
    assert page.open == []
    assert {"script", "link", "img", "iframe", "object", "form", "a"}.isdisjoint(page.tags)
    assert page.tags.count("svg") == 3
    assert not [value for _, value in page.attributes if "//" in value]
    assert "@import" not in text and "url(" not in text
    for words in ("cured", "sigkill", "passed over: deaf", "killed it", "rss-high from 4 GiB"):
        assert words in page.words
    assert "prefers-color-scheme: dark" in text and "@media print" in text


def test_whatever_a_container_is_called_it_is_only_shown() -> None:
    page = Page(html(reported(hostile()), clock))
    assert {"script", "img"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.words
    assert "\x1b" not in page.words and "\u202e" not in page.words


def test_whatever_a_container_is_called_it_is_no_markdown() -> None:
    text = markdown(reported(hostile()), clock)
    title, *rows = [line for line in text.splitlines() if "alert" in line]
    assert title.startswith("# \\</title\\>\\<script\\>")
    for row in rows:
        bare = row.replace("\\\\", "").replace("\\<", "").replace("\\[", "").replace("\\`", "")
        assert "<" not in bare and "[" not in bare and "`" not in bare
        assert bare.replace("\\|", "").count("|") in (0, 3)


def test_evidence_is_excerpted_explained_and_masked(tmp_path: Path) -> None:
    journal = tmp_path / "1-journal-dockerd.txt"
    journal.write_text("\n".join(f"line {each} ```` password=hunter2" for each in range(100)))
    stacks = tmp_path / "2-goroutine-stacks-x.log"
    stacks.write_bytes(gzip.decompress(DUMP.read_bytes()))
    paths = (str(journal), str(stacks), str(tmp_path / "gone"), str(tmp_path / "fifo"))
    os.mkfifo(tmp_path / "fifo")
    told = reported(paths=paths)
    first, second, third, fourth = told.excerpts
    assert first.says == "the last 40 of 100 lines"
    assert "line 99" in first.text and "line 59" not in first.text
    assert "7 wait for a lock" in second.says and "most likely" in second.text
    assert "cannot be read any more" in third.missing
    assert fourth.missing == "is no plain file"
    page, text = html(told, clock), markdown(told, clock)
    assert "hunter2" not in page + text
    assert "hidden in the excerpts: 40 x password" in Page(page).words
    assert "\n`````text\n" in text


def test_an_incident_that_is_open_and_of_which_no_sample_is_left_is_told_too() -> None:
    still = replace(an_incident(), closed=None, outcome=Outcome.OPEN, attempts=())
    told = report(still, [], RULES, (), at(60).wall)
    words = Page(html(told, clock)).words
    assert "not yet" in words and "nothing" in words
    assert words.count("no samples of that time") == 3
    assert "no samples of that time" in markdown(told, clock)


def test_a_long_story_is_cut_in_its_middle() -> None:
    many = [sample("ping", each / 10, answered=bool(each % 2)) for each in range(MANY * 2)]
    told = report(an_incident(), many, RULES, (), at(60).wall)
    assert len(told.moments) == MANY + 1
    assert any(moment.text.endswith(" more") for moment in told.moments)


@pytest.mark.parametrize("number", range(3))
def test_a_plot_is_an_image_within_its_frame(number: int) -> None:
    told = reported()
    picture = plot(told, told.vitals[number], clock).partition("</svg>")[0] + "</svg>"
    root = ET.fromstring(picture)
    for each in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(each.get(name, 0)) <= 760
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(each.get(name, 0)) <= 170
    kinds = {each.get("class") for each in root.iter()}
    assert {"line", "during", "rung"} <= kinds
    assert ("missed" in kinds) == (number == 0)
    assert ("warning" in kinds) == (number > 0) or number == 0


def test_no_line_is_drawn_over_what_nobody_saw() -> None:
    looks = [sample("ping", each, answered=True, latency_s=0.01) for each in (-500, -490, 0, 10)]
    told = report(an_incident(), looks, RULES, (), at(60).wall)
    assert plot(told, told.vitals[0], clock).count("<polyline") == 2


def test_the_report_is_written_and_said_where(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    recorded(config, an_incident()).shut()
    page = tmp_path / "page.html"
    ran = dockerdoctor("incidents", "report", "2027", "--html", str(page), config=config)
    assert (ran.code, ran.out, ran.err) == (0, "", f"written to {page}\n")
    assert "needs" not in ran.err
    assert page.read_text().startswith("<!doctype html>")
    ran = dockerdoctor("incidents", "report", "2027", "--markdown", config=config)
    assert ran.code == 0
    assert ran.out.startswith("# dockerd runs and does not answer")


def test_a_report_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    recorded(config, an_incident()).shut()
    nowhere = str(tmp_path / "no" / "page.html")
    ran = dockerdoctor("incidents", "report", "2027", "--html", nowhere, config=config)
    assert (ran.code, ran.out) == (73, "")
    assert "cannot be written: No such file or directory" in ran.err
    assert dockerdoctor("incidents", "report", "nope", config=config).code == 64


# Statistics.


def test_what_was_saved_is_the_time_by_hand_less_the_time_it_took() -> None:
    assert saved(an_incident(), RUNGS) == 600 - 24
    slow = replace(an_incident(), closed=at(2000).wall)
    assert saved(slow, RUNGS) == 0
    assert saved(replace(an_incident(), outcome=Outcome.PASSED), RUNGS) == 0
    assert saved(replace(an_incident(), closed=None), RUNGS) == 0


def test_statistics_count_by_rule_and_by_rung() -> None:
    passed = Incident(
        "b", at(0).wall, "disk-high", "full", Severity.WARNING, (), at(100).wall, Outcome.PASSED
    )
    found = stats([an_incident(), an_incident("x"), passed], RUNGS, at(3600).wall)
    assert (found.incidents, found.open, found.down_s) == (3, 0, 148)
    assert found.saved_s == 2 * 576
    rule = found.rules[0]
    assert (rule.rule, rule.incidents, rule.cured, rule.median_s) == (
        "daemon-unresponsive",
        2,
        2,
        24,
    )
    rungs = {each.rung: each for each in found.rungs}
    assert (rungs["sigkill"].cured, rungs["sigkill"].median_s) == (2, 13)
    assert (rungs["systemd-kill"].climbed, rungs["systemd-kill"].passed_over) == (0, 2)


def test_statistics_are_told_to_people_and_programs(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    store = recorded(config)
    assert "no incident" in dockerdoctor("incidents", "stats", config=config).err
    store.open_incident(an_incident())
    store.close(an_incident().id, at(24).wall, Outcome.CURED, "cured")
    store.shut()
    told = dockerdoctor("incidents", "stats", config=config).out
    assert told.startswith("1 incident since ")
    assert "saved about 9 min 36 s" in told
    counted = json.loads(dockerdoctor("incidents", "stats", "--json", config=config).out)
    assert counted["saved_s"] == 576
