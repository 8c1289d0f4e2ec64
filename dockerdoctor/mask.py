"""Hides secrets in text that leaves the host: text in, text and what was hidden out. Pure.

Names stay, values go: people must see that a password was set, and not which. When in doubt a value
is hidden: a bundle with one word too few is still of use.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct, field

HIDDEN = "***"
_SECRET = (
    r"pass(?:wd|word|phrase|code)?|pwd|secrets?|tokens?|credentials?|cred|auth|auths|authorization|"
    r"api[_.-]?keys?|access[_.-]?keys?|private[_.-]?keys?|secret[_.-]?keys?|signing[_.-]?keys?|"
    r"encryption[_.-]?keys?|account[_.-]?key|client[_.-]?secret|cookies?|session[_.-]?id|"
    r"signature|sig|dsn|basicauth|users?passwords?|htpasswd|identitytoken|registrytoken|webhook"
)
# Bounded: a name of 64 KB must not cost minutes.
_NAME = (
    rf"[\w.-]{{0,80}}(?:(?:^|(?<![A-Za-z0-9]))(?:{_SECRET})"
    r"|(?:password|passwd|secret|token|apikey))"
)
_KEY = rf"(?P<key>{_NAME}(?:[_.-][\w.-]{{0,80}})?s?)"
_VALUE = (
    r"(?P<open>\\?[\"'])(?P<quoted>(?:(?!(?P=open)).)*)(?P=open)"  # in quotes, to their end
    r"|(?P<unclosed>[\"'])(?P<rest>[^\n]*)"
    r"|(?P<scheme>(?:Bearer|Basic|Digest)\s+)?(?P<plain>[^\s\"',;&{}\[\]()\\]+)"
)
_ASSIGNED = re.compile(
    rf"(?<![\w.-]){_KEY}(?P<sep>\\?[\"']?\s*(?:=>|[=:])\s*)(?:{_VALUE})", re.IGNORECASE
)
_FLAG = re.compile(
    rf"(?<![\w.-])(?P<key>--?{_NAME}[\w-]{{0,80}})(?P<sep>\s+)(?P<plain>[^\s\"'-][^\s\"']*)",
    re.IGNORECASE,
)
_URL = re.compile(
    r"(?P<head>[a-z][a-z0-9+.-]{1,20}://)(?P<user>[^\s/\"'<>]{0,400})@", re.IGNORECASE
)
_SCHEME = re.compile(r"\b(?P<head>Bearer|Basic)\s+(?P<value>[A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE)
_PEM = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]*PRIVATE KEY)-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_TOKENS = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|dckr_[po]at_[\w-]{16,}"
    r"|(?:AKIA|ASIA)[0-9A-Z]{16}|xox[abprs]-[\w-]{8,}|SWMTKN-[\w-]+|SWMKEY-[\w-]+|sk-[\w-]{16,}"
    r"|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|npm_[A-Za-z0-9]{16,}|pypi-[\w-]{16,}|AIza[\w-]{30,})"
)
_HASH = re.compile(r"\$(?:apr1|2[abxy]|1|5|6|y|argon2\w*)\$[^\s\"',:;]+")
_ENVIRONMENT = re.compile(
    r"^(?P<head>\s*(?:Environment|PassEnvironment)\s*=)(?P<rest>.*)$", re.MULTILINE
)
_PAIR = re.compile(
    r"(?P<name>[A-Za-z_]\w*)=(?:(?P<quote>[\"'])(?P<in>.*?)(?P=quote)|(?P<out>[^\s\"']*))"
)
_HARMLESS = ("PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "DOCKER_TMPDIR", "GOMAXPROCS")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "FTP_PROXY")
_ENV_LISTS = ("env", "environment", "buildargs")
_AUTHS = ("auths", "credhelpers", "credstore", "registryauth", "authconfig")

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


class Masked(Struct):
    """What was hidden: how often, by what it is."""

    found: Counter[str] = field(default_factory=Counter)

    def text(self, text: str) -> str:
        """Any text (logs, units, command lines) without what looks like a secret."""
        text = _PEM.sub(self._said("a private key", lambda f: f"[{f['what']} {HIDDEN}]"), text)
        text = _ENVIRONMENT.sub(lambda f: f["head"] + _PAIR.sub(self._pair, f["rest"]), text)
        text = _URL.sub(self._said("credentials in a URL", _url), text)
        text = _ASSIGNED.sub(self._assigned, text)
        text = _FLAG.sub(self._flag, text)
        text = _SCHEME.sub(self._said("an Authorization", lambda f: f"{f['head']} {HIDDEN}"), text)
        text = _TOKENS.sub(self._said("a token", lambda _: HIDDEN), text)
        return _HASH.sub(self._said("a password's hash", lambda _: HIDDEN), text)

    def json(self, value: Json, name: str = "") -> Json:
        """A JSON value without its secrets: every value of an environment, of what is called like a
        secret and of `auths`; other texts as `text` does."""
        low = name.lower()
        if isinstance(value, dict):
            if low in _AUTHS:
                return {key: self._hide("auths", one) for key, one in value.items()}
            if low in _ENV_LISTS:
                return {key: self._hide(f"environment: {key}", one) for key, one in value.items()}
            return {key: self.json(one, key) for key, one in value.items()}
        if isinstance(value, list):
            if low in _ENV_LISTS:
                return [self._environ(each) for each in value]
            return [
                self._hide(str(before), each) if _asks(before, each) else self.json(each, name)
                for before, each in zip(["", *value], value, strict=False)
            ]
        if isinstance(value, str):
            if value and _secret_name(name):
                return self._hide(name, value)
            return self.text(value)
        return value

    def lines(self) -> list[str]:
        """What was hidden, a line for each kind."""
        return [f"{count} x {what}" for what, count in sorted(self.found.items())]

    def _said(
        self, what: str, becomes: Callable[[re.Match[str]], str]
    ) -> Callable[[re.Match[str]], str]:
        def substitute(found: re.Match[str]) -> str:
            text = becomes(found)
            if text != found[0]:
                self.found[what] += 1
            return text

        return substitute

    def _hide(self, what: str, value: Json) -> Json:
        if value in (None, "", [], {}, HIDDEN):
            return value
        self.found[what[:80]] += 1
        return HIDDEN

    def _environ(self, each: Json) -> Json:
        if not isinstance(each, str):
            return self.json(each)
        name, equals, value = each.partition("=")
        return f"{name}{equals}{self._value(name, value)}" if equals else name

    def _value(self, name: str, value: str) -> str:
        """Of an environment variable: hidden, but for what is known to be harmless."""
        if name in _HARMLESS or not value or value == HIDDEN:
            return value
        if name.upper() in _PROXIES:
            return self.text(value)
        self.found[f"environment: {name[:60]}"] += 1
        return HIDDEN

    def _pair(self, found: re.Match[str]) -> str:
        value = found["in"] if found["quote"] else found["out"]
        quote = found["quote"] or ""
        return f"{found['name']}={quote}{self._value(found['name'], value)}{quote}"

    def _assigned(self, found: re.Match[str]) -> str:
        value = next(found[name] for name in ("quoted", "rest", "plain") if found[name] is not None)
        if value in ("", HIDDEN) or value.startswith(HIDDEN):
            return found[0]
        self.found[found["key"][:60]] += 1
        opened = found["open"] or found["unclosed"] or ""
        closed = found["open"] or ""
        return f"{found['key']}{found['sep']}{opened}{found['scheme'] or ''}{HIDDEN}{closed}"

    def _flag(self, found: re.Match[str]) -> str:
        if found["plain"].startswith(HIDDEN):
            return found[0]
        self.found[found["key"][:60]] += 1
        return f"{found['key']}{found['sep']}{HIDDEN}"


def mask(text: str) -> str:
    """`text` without what looks like a secret."""
    return Masked().text(text)


def _url(found: re.Match[str]) -> str:
    return found[0] if found["user"] in ("", HIDDEN) else f"{found['head']}{HIDDEN}@"


def _asks(before: Json, each: Json) -> bool:
    """Whether an argument is the value of the one before it: `--password`, `x`."""
    flag = isinstance(before, str) and before.startswith("-") and "=" not in before
    return flag and isinstance(each, str) and _secret_name(str(before).lstrip("-"))


def _secret_name(name: str) -> bool:
    return re.fullmatch(_KEY, name, re.IGNORECASE) is not None
