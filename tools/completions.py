"""Makes completions/: what bash, zsh and fish offer on TAB, from the command line's declarations.

Static files: a TAB starts no Python, but for the ids of incidents, which only the record knows. All
three work alike: the words before the cursor lead to a command, and a table tells what it takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tools.commandline import (
    DIRECTORIES,
    FILES,
    INCIDENTS,
    PROGRAM,
    Command,
    Option,
    Value,
    application,
    walk,
)

HEAD = "# {} completion of dockerdoctor. Made by tools/completions.py: do not edit."
IDS = f"{PROGRAM} incidents list 2>/dev/null | sed -n '2,$s/ .*//p'"
"""The ids of the latest incidents."""


def render(root: Path) -> Mapping[Path, str]:
    """The three files."""
    commands = tuple(walk(application()))
    directory = root / "completions"
    return {
        directory / f"{PROGRAM}.bash": bash(commands),
        directory / f"_{PROGRAM}": zsh(commands),
        directory / f"{PROGRAM}.fish": fish(commands),
    }


def own(command: Command, commands: Sequence[Command]) -> list[Option]:
    """The options that may stand behind this command's words besides those that always may: its
    own, and those of the command that it runs when none is named."""
    found = list(command.options)
    for each in commands:
        if command.default and each.path == (*command.path, command.default):
            found += each.options
    unique = {option.names: option for option in found if option not in commands[0].options}
    return [*unique.values()]


def names(options: Sequence[Option], valued: bool = False) -> str:
    """Their names, or of those that take a value."""
    return " ".join(name for each in options if each.value or not valued for name in each.names)


def values(commands: Sequence[Command]) -> Iterator[tuple[str, Value]]:
    """What may stand where, as a shell's pattern of `COMMAND:OPTION`; of an argument `COMMAND:`."""
    for option in commands[0].options:
        if option.value:
            yield "|".join(f"*':{name}'" for name in option.names), option.value
    for command in commands:
        at = " ".join(command.path)
        for option in own(command, commands):
            if option.value:
                yield "|".join(f"'{at}:{name}'" for name in option.names), option.value
        for value in command.arguments:
            yield f"'{at}:'", value


def bash(commands: Sequence[Command]) -> str:
    """For bash, with or without the package bash-completion."""
    common = commands[0].options
    lines = [HEAD.format("bash"), "", *_BEGIN.splitlines()]
    for command in commands:
        options = own(command, commands)
        lines += [
            f"        '{' '.join(command.path)}')",
            f"            commands='{' '.join(each.name for each in command.commands)}'",
            f"            options='{names(options)}'",
            f"            valued=' {names(options, valued=True)} '",
            "            ;;",
        ]
    lines += [
        "    esac",
        f"    options+=' {names(common)}'",
        f"    valued+=' {names(common, valued=True)} '",
        *_MIDDLE.splitlines(),
    ]
    lines += [
        f"        {at}) {found} ;;"
        for at, value in values(commands)
        if (found := _bash_value(value))
    ]
    return "\n".join([*lines, *_BASH_END.splitlines(), ""])


def _bash_value(value: Value) -> str:
    if value.words:
        return f"words='{' '.join(value.words)}'"
    return {FILES: "action=file", DIRECTORIES: "action=directory", INCIDENTS: "action=ids"}.get(
        value.kind, ""
    )


_BEGIN = """\
_dockerdoctor_about() {
    case $1 in"""
_MIDDLE = """\
}

_dockerdoctor_values() {
    case $1 in"""
_BASH_END = f"""\
    esac
}}

_dockerdoctor() {{
    local path= commands= options= valued= words= action= skip= word i
    local current=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD - 1]}}
    COMPREPLY=()
    if [[ $current == '=' ]]; then
        current=
    elif [[ $before == '=' ]]; then  # bash parts `--option=value` at the sign
        before=${{COMP_WORDS[COMP_CWORD - 2]}}
    fi
    _dockerdoctor_about ''
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ -n $skip ]]; then
            [[ $word == '=' ]] || skip=
        elif [[ $valued == *" $word "* ]]; then
            skip=yes
        elif [[ " $commands " == *" $word "* ]]; then
            path="${{path:+$path }}$word"
            _dockerdoctor_about "$path"
        fi
    done
    if [[ $valued == *" $before "* ]]; then
        _dockerdoctor_values "$path:$before"
    elif [[ $current == -* ]]; then
        words=$options
    elif [[ -n $commands ]]; then
        words=$commands
    else
        _dockerdoctor_values "$path:"
    fi
    case $action in
        file) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
        directory) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
        ids) words=$({IDS}) ;;
    esac
    [[ $action == ids || -z $action ]] || compopt -o filenames 2>/dev/null
    [[ -z $words ]] || mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}}

complete -F _dockerdoctor dockerdoctor"""


def zsh(commands: Sequence[Command]) -> str:
    """For zsh: `_dockerdoctor`, in a directory of fpath."""
    common = commands[0].options
    lines = ["#compdef dockerdoctor", HEAD.format("zsh"), "", *_BEGIN.splitlines()]
    for command in commands:
        options = own(command, commands)
        lines += [f"        '{' '.join(command.path)}')", "            commands=("]
        lines += [f"                {_described(e.name, e.summary)}" for e in command.commands]
        lines += ["            )", "            options=("]
        lines += [f"                {_described(n, e.help)}" for e in options for n in e.names]
        lines += ["            )", f"            valued=({names(options, valued=True)})"]
        lines += ["            ;;"]
    lines += ["    esac", "    options+=("]
    lines += [f"        {_described(n, each.help)}" for each in common for n in each.names]
    lines += ["    )", f"    valued+=({names(common, valued=True)})", *_MIDDLE.splitlines()]
    lines += [
        f"        {at}) {found} ;;"
        for at, value in values(commands)
        if (found := _zsh_value(value))
    ]
    return "\n".join([*lines, *_ZSH_END.splitlines(), ""])


def _zsh_value(value: Value) -> str:
    if value.words:
        return f"compadd -- {' '.join(value.words)}"
    return {FILES: "_files", DIRECTORIES: "_files -/", INCIDENTS: f"compadd -- $({IDS})"}.get(
        value.kind, ""
    )


def _described(name: str, says: str) -> str:
    text = f"{name.replace(':', chr(92) + ':')}:{' '.join(says.split())}"
    return "'" + text.replace("'", "'\\''") + "'"


_ZSH_END = """\
    esac
}

_dockerdoctor() {
    local path_= skip= word before=$words[CURRENT-1]
    local -a commands options valued
    _dockerdoctor_about ''
    for word in ${words[2,CURRENT-1]}; do
        if [[ -n $skip ]]; then
            skip=
        elif (( ${valued[(Ie)$word]} )); then
            skip=yes
        elif [[ -n ${(M)commands:#${word}:*} ]]; then
            path_="${path_:+$path_ }$word"
            _dockerdoctor_about "$path_"
        fi
    done
    if [[ $PREFIX == --*=* ]]; then
        before=${PREFIX%%=*}
        compset -P '*='
        _dockerdoctor_values "$path_:$before"
    elif (( ${valued[(Ie)$before]} )); then
        _dockerdoctor_values "$path_:$before"
    elif [[ $PREFIX == -* ]]; then
        _describe -o option options
    elif (( $#commands )); then
        _describe command commands
    else
        _dockerdoctor_values "$path_:"
    fi
}

if [[ $funcstack[1] == _dockerdoctor ]]; then
    _dockerdoctor "$@"
else
    compdef _dockerdoctor dockerdoctor
fi"""


def fish(commands: Sequence[Command]) -> str:
    """For fish: each offer with the place where it holds."""
    begin = f"complete -c {PROGRAM}"
    lines = [HEAD.format("fish"), "", *_fish_path(commands), f"{begin} -f"]
    lines += [f"{begin}{_fish_option(each)}" for each in commands[0].options]
    for command in commands:
        at = f"{begin} -n {_quoted('__dockerdoctor_at ' + _quoted(' '.join(command.path)))}"
        lines += [f"{at} -a {e.name} -d {_quoted(e.summary)}" for e in command.commands]
        lines += [f"{at}{_fish_option(each)}" for each in own(command, commands)]
        lines += [f"{at}{found}" for each in command.arguments if (found := _fish_value(each))]
    return "\n".join([*lines, ""])


def _fish_path(commands: Sequence[Command]) -> Iterator[str]:
    """A function: whether the words so far lead to this command."""
    valued = sorted(
        {name for each in commands for o in each.options if o.value for name in o.names}
        - {name for each in commands for o in each.options if not o.value for name in o.names}
    )
    paths = " ".join(_quoted(" ".join(each.path)) for each in commands if each.path)
    yield from _FISH_PATH.format(valued=" ".join(valued), paths=paths).splitlines()
    yield ""


_FISH_PATH = """\
function __dockerdoctor_at --argument-names wanted
    set -l path
    set -l skip
    for word in (commandline -opc)[2..-1]
        if test -n "$skip"
            set skip
        else if contains -- $word {valued}
            set skip yes
        else if contains -- (string join ' ' -- $path $word) {paths}
            set -a path $word
        end
    end
    test "$wanted" = "$path"
end"""


def _fish_option(option: Option) -> str:
    flags = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in option.names
    )
    value = ""
    if option.value:
        value = f" -x{_fish_value(option.value)}" if option.value.kind != FILES else " -r -F"
    return f"{flags}{value} -d {_quoted(' '.join(option.help.split()))}"


def _fish_value(value: Value) -> str:
    if value.words:
        return f" -a {_quoted(' '.join(value.words))}"
    return {
        FILES: " -F",
        DIRECTORIES: " -a '(__fish_complete_directories)'",
        INCIDENTS: f" -a {_quoted(f'({IDS})')}",
    }.get(value.kind, "")


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
