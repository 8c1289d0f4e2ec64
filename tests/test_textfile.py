"""The metrics as a file: whole, readable by node_exporter, and never in the way of the loop."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.parser import text_string_to_metric_families

from dockerdoctor.host.textfile import EVERY_S, Textfile
from tests.values import at


def registry() -> tuple[CollectorRegistry, Gauge]:
    made = CollectorRegistry()
    Gauge("process_open_fds", "Not ours alone.", registry=made).set(7)
    return made, Gauge("dockerdoctor_looks", "Looks.", registry=made)


def names(path: Path) -> list[str]:
    families = text_string_to_metric_families(path.read_text())
    return [family.name for family in families]


def test_the_file_holds_our_metrics_and_none_that_node_exporter_has_itself(tmp_path: Path) -> None:
    path = tmp_path / "dockerdoctor.prom"
    made, _ = registry()
    assert Textfile(path, made, "dockerdoctor").write(at(0)) == ""
    assert names(path) == ["dockerdoctor_looks"]
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in tmp_path.iterdir()] == ["dockerdoctor.prom"]


def test_it_is_written_anew_after_its_time_and_not_at_each_look(tmp_path: Path) -> None:
    path = tmp_path / "dockerdoctor.prom"
    made, looks = registry()
    textfile = Textfile(path, made, "dockerdoctor")
    for seconds, shown in ((0, "0.0"), (EVERY_S - 1, "0.0"), (EVERY_S, f"{EVERY_S}")):
        looks.set(seconds)
        textfile.write(at(seconds))
        assert path.read_text().endswith(f" {shown}\n")


def test_a_place_where_nothing_can_be_written_is_told_once_and_again_when_it_breaks_again(
    tmp_path: Path,
) -> None:
    place = tmp_path / "collector"
    path = place / "dockerdoctor.prom"
    made, _ = registry()
    textfile = Textfile(path, made, "dockerdoctor")
    says = f"the textfile {path} cannot be written: No such file or directory"
    assert [textfile.write(at(seconds)) for seconds in (0, 20, 40)] == [says, "", ""]
    place.mkdir()
    assert textfile.write(at(60)) == ""
    assert path.exists()
    textfile.remove()
    assert list(place.iterdir()) == []
    place.rmdir()
    assert textfile.write(at(80)) == says
    textfile.remove()
