"""Numbers with units: "4GiB", "1h30m" and "85%" go in, bytes, seconds and ratios come out; and the
other way round, as people like to read them. Every parser raises ValueError with a sentence.

KB, MB, GB ... count in thousands and KiB, MiB, GiB ... in 1024s, as does a bare K, M, G, T: that is
how docker reads its own options (`max-size: 10m`). A bare lower-case `m` alone means minutes to
`parse`, which does not know what is asked for, and megabytes only to `parse_bytes`.
"""

from __future__ import annotations

import math
import re

from dockerdoctor.model import Value

_PREFIXES = "kmgtp"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)(b?)", re.IGNORECASE)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zµμ]+)\s*")
_RATIO = re.compile(r"(\d+(?:\.\d+)?)\s*%")
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_WITH_UNIT = re.compile(r"[-+]?\d+(?:\.\d+)?\s*(?:[A-Za-zµμ%]+\s*(?:\d.*)?)")

_SECONDS = {
    **dict.fromkeys(("us", "µs", "μs"), 1e-6),
    "ms": 1e-3,
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("m", "min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
    **dict.fromkeys(("d", "day", "days"), 86400.0),
    **dict.fromkeys(("w", "week", "weeks"), 604800.0),
}


def parse_bytes(text: str) -> float:
    """Bytes of "512", "4GiB", "4GB", "10m"."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or (found[3] and not found[2]):
        raise ValueError(f"“{text}” is no size: write it like 4GiB, 500MB or 10m")
    thousands = found[4] and not found[3]
    power = _PREFIXES.find(found[2].lower()) + 1 if found[2] else 0
    return float(found[1]) * float((1000 if thousands else 1024) ** power)


def parse_seconds(text: str) -> float:
    """Seconds of "30s", "5min", "1h30m", "250ms", "1 min 30 s"; "infinity" is one too."""
    stripped = text.strip()
    if stripped == "infinity":
        return math.inf
    parts = [(found[1], found[2]) for found in _SPAN.finditer(stripped)]
    whole = "".join(found[0] for found in _SPAN.finditer(stripped))
    if not parts or whole != stripped or any(unit not in _SECONDS for _, unit in parts):
        raise ValueError(f"“{text}” is no duration: write it like 30s, 5min or 1h30m")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def parse_ratio(text: str) -> float:
    """The ratio, 0.85, of "85%" and of "0.85"."""
    found = _RATIO.fullmatch(text.strip())
    if found is not None:
        return float(found[1]) / 100
    if _NUMBER.fullmatch(text.strip()):
        return float(text)
    raise ValueError(f"“{text}” is no share: write it like 85% or 0.85")


def parse(value: Value) -> float | bool | str:
    """What a rule compares with: numbers with or without a unit as float, true and false, and any
    other text as the word it is ("failed", "20.10.24"). Raises ValueError for a number whose unit
    is not known."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return float(value)
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if not _WITH_UNIT.fullmatch(text):
        return value
    for parser in (parse_ratio, parse_seconds, parse_bytes):
        try:
            return parser(text)
        except ValueError:
            continue
    raise ValueError(
        f"“{value}” has no unit that is known: write sizes like 4GiB, durations like 30s, "
        "shares like 85%"
    )


def plain_bytes(value: float) -> str:
    """ "4 GiB", "4.3 GiB", "512 MiB", "17 B"."""
    size = abs(value)
    power = 0
    while power < len(_PREFIXES) and round(size / 1024**power, 1) >= 1024:
        power += 1
    unit = f"{_PREFIXES[power - 1].upper()}iB" if power else "B"
    return f"{_sign(value)}{_short(size / 1024**power)} {unit}"


def plain_seconds(value: float) -> str:
    """ "12 ms", "1.5 s", "1 min 35 s", "2 h 5 min", "3 d 4 h"."""
    size = abs(value)
    if math.isinf(size):
        return f"{_sign(value)}for ever"
    if size < 0.9995:
        return f"{_sign(value)}{_short(size * 1000)} ms"
    if round(size, 1) < 60:
        return f"{_sign(value)}{_short(size)} s"
    whole = round(size)
    for name, length, next_name, next_length in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "min", 60),
        ("min", 60, "s", 1),
    ):
        if whole >= length:
            rest = whole % length // next_length
            return f"{_sign(value)}{whole // length} {name}" + (
                f" {rest} {next_name}" if rest else ""
            )
    raise AssertionError(value)


def plain_ratio(value: float) -> str:
    """ "85 %", "99.9 %": full only when it is, empty too."""
    percent = round(value * 100, 1)
    if value < 1:
        percent = min(percent, 99.9)
    if value > 0:
        percent = max(percent, 0.1)
    return f"{percent:.1f}".removesuffix(".0") + " %"


def plain(value: Value, unit: str = "") -> str:
    """A reading for people. `unit` is the one its declaration names: bytes, s, ratio, or any other
    word, which is put behind the number."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "not known"
    match unit:
        case "bytes":
            return plain_bytes(value)
        case "s" | "seconds":
            return plain_seconds(value)
        case "ratio":
            return plain_ratio(value)
    number = f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
    return f"{number} {unit}".rstrip()


def _short(number: float) -> str:
    """Whole from 10 on, with one digit below, without a digit that says nothing."""
    if number >= 9.95:
        return f"{number:.0f}"
    return f"{number:.1f}".removesuffix(".0")


def _sign(value: float) -> str:
    return "-" if value < 0 else ""
