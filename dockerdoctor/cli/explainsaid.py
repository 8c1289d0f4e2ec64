"""What an error message is known to mean: words and rules in, a `Meaning` out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty
from dockerdoctor.judge import Rule
from dockerdoctor.signatures import SIGNATURES, client_error, recognise, spoken

if TYPE_CHECKING:
    from dockerdoctor.cli.shapes import MeaningJson


class Meaning(Struct, frozen=True):
    """A message that is known."""

    name: str
    says: str
    remedy: str = ""
    avoid: str = ""


def meaning(said: str, rules: Sequence[Rule]) -> Meaning | None:
    """Of an error as a client or a journal shows it; None when nothing is known of it. Remedies of
    what daemons write into their journal are those of the rules."""
    if known := client_error(said):
        return Meaning(known.name, known.says, known.remedy, known.avoid)
    name = recognise(spoken(said))
    if not name:
        return None
    says = next(each.help for each in SIGNATURES if each.name == name)
    rule = next((each for each in rules if _is_about(each, name)), None)
    return Meaning(rule.name, says, rule.remedy, rule.avoid) if rule else Meaning(name, says)


def meaning_text(found: Meaning) -> str:
    """As a person reads it."""
    rows = (("remedy", found.remedy), ("avoid", found.avoid))
    lines = [f"    {label:<8}{value}" for label, value in rows if value]
    return "\n".join([f"{found.name}: {found.says}", *lines])


def meaning_json(found: Meaning) -> bytes:
    """The same for programs."""
    told: MeaningJson = {
        "schema_version": SCHEMA_VERSION,
        "name": found.name,
        "says": found.says,
        "remedy": found.remedy,
        "avoid": found.avoid,
    }
    return pretty(told)


def _is_about(rule: Rule, signature: str) -> bool:
    return any(
        each.reading == f"journal.{signature}"
        or (each.reading == "journal.cause" and each.value == signature)
        for each in rule.when
    )
