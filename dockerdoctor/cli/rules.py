"""`rules list`, `rules check`, `rules show NAME`: what is wrong when, and what is done about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dockerdoctor.cli.options import Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dockerdoctor.cli.shapes import RuleJson, RulesJson
    from dockerdoctor.judge import Condition, Rule
    from dockerdoctor.model import Reading

app = typer.Typer(rich_markup_mode=None, help="What is wrong when, and what is done about it.")
Json = Annotated[bool, typer.Option("--json", help="For programs.")]


@app.command("list")
def list_(ctx: typer.Context, json: Json = False) -> int:
    """List the rules as they hold here (the default).

    The operator's (rules_dirs in the configuration) over the shipped ones.

    \b
    Examples:
      dockerdoctor rules
      dockerdoctor rules list --json | jq -r '.rules[].name'
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.table import table

    rules, readings = _rules(ctx.obj)
    if json:
        _emit_json([_as_json(rule, readings) for rule in rules])
        return 0
    rows = [
        (
            rule.name,
            rule.severity.name.lower(),
            " and ".join(condition_text(each, readings) for each in rule.when),
            " > ".join(rule.ladder) or "-",
        )
        for rule in rules
    ]
    terminal.emit(table(("RULE", "SEVERITY", "WHEN", "LADDER"), rows, terminal.width()))
    return 0


@app.command()
def check(
    ctx: typer.Context,
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIRECTORY]...", help="More rules, not yet installed."),
    ] = None,
) -> int:
    """Read all rules and tell every mistake of every file.

    Exit code 78 when there are any.

    \b
    Examples:
      dockerdoctor rules check
      dockerdoctor rules check ./new-rules.d
    """
    from msgspec.structs import replace

    from dockerdoctor import compose
    from dockerdoctor.cli import terminal
    from dockerdoctor.errors import UsageError

    options: Options = ctx.obj
    config = options.load()
    more = tuple(directories or ())
    for each in more:
        if not each.is_dir():
            raise UsageError(f"{each} is no directory", "rules are read from *.toml in a directory")
    config = replace(config, rules_dirs=(*config.rules_dirs, *more))
    known = compose.knowledge(config)
    where = ", ".join(str(each) for each in config.rules_dirs)
    terminal.say(f"{len(known.rules)} rules are fine (the shipped ones, and {where})")
    return 0


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The rule's name.")],
    json: Json = False,
) -> int:
    """Show one rule: conditions, ladder, right and wrong remedy.

    \b
    Examples:
      dockerdoctor rules show daemon-unresponsive
    """
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.plain import fold
    from dockerdoctor.cli.suggest import one_of

    rules, readings = _rules(ctx.obj)
    rule = one_of(name, {rule.name: rule for rule in rules}, "rule")
    if json:
        _emit_json([_as_json(rule, readings)])
        return 0
    terminal.emit(fold(rule_lines(rule, readings), terminal.width()))
    return 0


def rule_lines(rule: Rule, readings: Mapping[str, Reading]) -> list[str]:
    """The rule as a person reads it."""
    looks = f"{rule.looks} looks" if rule.looks > 1 else "1 look"
    conditions = " and ".join(condition_text(each, readings) for each in rule.when)
    certain = " and ".join(condition_text(each, readings) for each in rule.certain)
    clear = " and ".join(condition_text(each, readings) for each in rule.clear)
    rows = [
        ("when", f"{conditions}, {_span(rule.for_s)}, in {looks}"),
        ("certain", certain and f"{certain}: 2 looks are enough"),
        ("clear", clear and f"{clear}, {_span(rule.clear_for_s)}"),
        ("ladder", " > ".join(rule.ladder) or "none: it only tells"),
        ("remedy", rule.remedy),
        ("avoid", rule.avoid),
    ]
    head = f"{rule.name} ({rule.severity.name.lower()}): {rule.says}"
    return [head, *(f"    {label:<8}{value}" for label, value in rows if value)]


def _span(seconds: float) -> str:
    from dockerdoctor.units import plain_seconds

    return f"for {plain_seconds(seconds)}" if seconds else "at once"


def condition_text(condition: Condition, readings: Mapping[str, Reading]) -> str:
    """`process.rss_bytes >= 4 GiB`."""
    from dockerdoctor.units import plain

    unit = readings[condition.reading].unit if condition.reading in readings else ""
    value = condition.value
    word = str(value).lower() if isinstance(value, bool) else plain(value, unit)
    return f"{condition.reading} {condition.op} {word}"


def _rules(options: Options) -> tuple[tuple[Rule, ...], Mapping[str, Reading]]:
    from dockerdoctor import compose
    from dockerdoctor.declare import known_readings

    known = compose.knowledge(options.load())
    return tuple(known.rules), known_readings(known.probes)


def _as_json(rule: Rule, readings: Mapping[str, Reading]) -> RuleJson:
    from dockerdoctor.cli.reportjson import SEVERITIES

    return {
        "name": rule.name,
        "severity": SEVERITIES[rule.severity],
        "says": rule.says,
        "when": [condition_text(each, readings) for each in rule.when],
        "for_s": rule.for_s,
        "looks": rule.looks,
        "certain": [condition_text(each, readings) for each in rule.certain],
        "clear": [condition_text(each, readings) for each in rule.clear],
        "clear_for_s": rule.clear_for_s,
        "ladder": list(rule.ladder),
        "remedy": rule.remedy,
        "avoid": rule.avoid,
    }


def _emit_json(rules: list[RuleJson]) -> None:
    from dockerdoctor.cli import terminal
    from dockerdoctor.cli.plain import SCHEMA_VERSION, pretty

    told: RulesJson = {"schema_version": SCHEMA_VERSION, "rules": rules}
    terminal.emit_raw(pretty(told))
