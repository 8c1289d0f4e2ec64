"""Rule files in, rules out; every mistake of every file at once.

One TOML table per rule, named after it. A table of the same name in a later file changes the keys
that it gives and leaves the others, so that an operator writes only what is different:

    [rss-high]
    when = ["process.rss_bytes >= 6GiB"]
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct, field

from dockerdoctor.errors import ConfigError
from dockerdoctor.judge import OPERATORS, PLACEHOLDER, Condition, Rule
from dockerdoctor.model import Kind, Reading, Severity, Value
from dockerdoctor.units import parse, parse_seconds

KEYS = {
    "says": str,
    "when": list,
    "for": str,
    "looks": int,
    "certain": list,
    "clear": list,
    "clear_for": str,
    "severity": str,
    "ladder": list,
    "remedy": str,
    "avoid": str,
    "enabled": bool,
}
WORDS = (Kind.STATE, Kind.TEXT)
NEEDED = ("says", "when", "severity")
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CONDITION = re.compile(r"\s*(\S+?)\s*(>=|<=|==|!=|>|<)\s*(.+?)\s*")


class Catalogue(Struct, frozen=True):
    """What rules may speak of: the declared readings by full name, and the rungs' names."""

    readings: Mapping[str, Reading]
    rungs: Collection[str]


class _Raw(Struct):
    """One rule's keys, each with the file that gave it, before they are checked."""

    keys: dict[str, object] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)


def shipped_rules() -> Path:
    """The directory of the shipped rules: in an installed wheel, or in a checkout beside us."""
    packaged = Path(__file__).parent / "shipped" / "rules"
    return packaged if packaged.is_dir() else Path(__file__).parents[1] / "rules"


def load_rules(directories: Iterable[Path], catalogue: Catalogue) -> tuple[Rule, ...]:
    """The rules of all `*.toml` in these directories, in order; a directory may be missing.

    Raises ConfigError with all mistakes of all files, each with its file and place."""
    paths = [path for each in directories for path in sorted(each.glob("*.toml"))]
    mistakes: list[str] = []
    raw: dict[str, _Raw] = {}
    for path in paths:
        _read(path, raw, mistakes)
    rules = [_rule(name, each, catalogue, mistakes) for name, each in raw.items()]
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(rule for rule in rules if rule)


def _read(path: Path, raw: dict[str, _Raw], mistakes: list[str]) -> None:
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        mistakes.append(f"{path}: {error}")
        return
    for name, table in tables.items():
        place = f"{path}: [{name}]"
        if not isinstance(table, dict):
            mistakes.append(f"{path}: `{name}` stands outside a table; a rule is `[its-name]`")
        elif not NAME.fullmatch(name):
            mistakes.append(f"{place}: a rule's name is lower-case words joined by hyphens")
        else:
            known = raw.setdefault(name, _Raw())
            for key, value in table.items():
                if _right_kind(key, value, place, mistakes):
                    known.keys[key] = value
                known.places[key] = place
            known.places.setdefault("", place)


def _right_kind(key: str, value: object, place: str, mistakes: list[str]) -> bool:
    if key not in KEYS:
        mistakes.append(f"{place}: unknown key `{key}`{_meant(key, KEYS)}")
        return False
    if type(value) is not KEYS[key]:
        wanted = {
            list: "a list of strings",
            str: "a string",
            int: "a number",
            bool: "true or false",
        }
        mistakes.append(f"{place} {key}: must be {wanted[KEYS[key]]}, not {value!r}")
        return False
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        mistakes.append(f"{place} {key}: must be a list of strings")
        return False
    return True


def _rule(name: str, raw: _Raw, catalogue: Catalogue, mistakes: list[str]) -> Rule | None:
    """The rule of these keys; None when it is switched off or has mistakes (which are listed)."""
    before = len(mistakes)
    keys = raw.keys
    mistakes.extend(
        f"{raw.places['']}: `{key}` is missing" for key in NEEDED if key not in raw.places
    )
    when = _conditions("when", raw, catalogue, mistakes)
    if keys.get("when") == []:
        mistakes.append(f"{raw.places['when']} when: no condition, so it would always hold")
    certain = _conditions("certain", raw, catalogue, mistakes)
    clear = _conditions("clear", raw, catalogue, mistakes)
    for_s, clear_for_s = (_seconds(key, raw, mistakes) for key in ("for", "clear_for"))
    severity = str(keys.get("severity", "info")).upper()
    if severity not in Severity.__members__:
        mistakes.append(
            f"{raw.places['severity']} severity: `{keys['severity']}` is none of "
            + ", ".join(each.lower() for each in Severity.__members__)
        )
    mistakes.extend(_unknown(raw, catalogue))
    if len(mistakes) > before or keys.get("enabled") is False:
        return None
    looks = keys.get("looks", 1)
    return Rule(
        name=name,
        says=str(keys["says"]),
        when=when,
        severity=Severity[severity],
        for_s=for_s,
        looks=looks if isinstance(looks, int) else 1,
        certain=certain,
        clear=clear,
        clear_for_s=clear_for_s,
        ladder=_strings(keys.get("ladder")),
        remedy=str(keys.get("remedy", "")),
        avoid=str(keys.get("avoid", "")),
    )


def _unknown(raw: _Raw, catalogue: Catalogue) -> Iterator[str]:
    """Rungs and readings that do not exist."""
    for rung in _strings(raw.keys.get("ladder")):
        if rung not in catalogue.rungs:
            meant = _meant(rung, catalogue.rungs)
            yield f"{raw.places['ladder']} ladder: no rung is called `{rung}`{meant}"
    for reading in PLACEHOLDER.findall(str(raw.keys.get("says", ""))):
        if reading not in catalogue.readings:
            meant = _meant(reading, catalogue.readings)
            yield f"{raw.places['says']} says: no probe reads `{reading}`{meant}"


def _conditions(
    key: str, raw: _Raw, catalogue: Catalogue, mistakes: list[str]
) -> tuple[Condition, ...]:
    found = []
    for number, text in enumerate(_strings(raw.keys.get(key)), 1):
        try:
            found.append(condition(text, catalogue.readings))
        except ValueError as error:
            mistakes.append(f"{raw.places[key]} {key}, condition {number}: {error}")
    return tuple(found)


def condition(text: str, readings: Mapping[str, Reading]) -> Condition:
    """`process.rss_bytes >= 4GiB` as a Condition; ValueError says what is wrong with it."""
    match = CONDITION.fullmatch(text)
    if not match:
        raise ValueError(f"`{text}` is not `reading op value` with one of {' '.join(OPERATORS)}")
    name, op, word = match.groups()
    if name not in readings:
        raise ValueError(f"no probe reads `{name}`{_meant(name, readings)}")
    kind = readings[name].kind
    if kind in WORDS:
        value: bool | float | str = word.strip("'\"")
    elif kind is Kind.FLAG:
        if word not in ("true", "false"):
            raise ValueError(f"`{name}` is true or false, not `{word}`")
        value = word == "true"
    else:
        value = parse(word)
    if kind in (*WORDS, Kind.FLAG) and op not in ("==", "!="):
        raise ValueError(f"`{name}` can only be compared with == or !=")
    return Condition(name, op, value)


def _seconds(key: str, raw: _Raw, mistakes: list[str]) -> float:
    try:
        return parse_seconds(str(raw.keys.get(key, "0s")))
    except ValueError as error:
        mistakes.append(f"{raw.places[key]} {key}: {error}")
        return 0.0


def _strings(value: object) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _meant(word: str, known: Collection[str] | Sequence[str]) -> str:
    close = difflib.get_close_matches(word, list(known), 1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def threshold(rules: Sequence[Rule], reading: str, severity: Severity) -> Value | None:
    """The value from which a rule of this severity speaks of this reading alone."""
    for rule in rules:
        if rule.severity is severity and len(rule.when) == 1 and rule.when[0].reading == reading:
            return rule.when[0].value
    return None
