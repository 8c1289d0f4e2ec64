"""Secrets do not leave the host: what is hidden, what stays, and that it costs no minutes."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from dockerdoctor.mask import HIDDEN, Masked, mask

SECRET = "hunter2hunter2"
LEAKY = [
    f"password={SECRET}",
    f'"Password": "{SECRET} {SECRET}", "x": 1',
    f'time="x" level=error msg="login password={SECRET} failed"',
    f"MYSQL_ROOT_PASSWORD={SECRET}",
    f"DB_PASS={SECRET} apiKey={SECRET} dbPassword={SECRET}",
    f"AWS_SECRET_ACCESS_KEY={SECRET}",
    f"SECRET_KEY_BASE: '{SECRET}'",
    f"http://bob:{SECRET}@proxy:3128/x",
    f"https://{SECRET}@registry/v2/",
    f"redis://:{SECRET}@db/0",
    f"postgres://bob:p@{SECRET}@db/x",
    f"--password {SECRET} --verbose",
    f"--api-key={SECRET}",
    f"Authorization: Bearer {SECRET}",
    f"X-Registry-Auth: {SECRET}",
    f"sent Basic {SECRET}= to it",
    f'{{\\"password\\":\\"{SECRET}\\"}}',
    f'Environment="HTTP_PROXY=http://bob:{SECRET}@p" "FOO={SECRET}" PATH=/bin',
    f"Environment=FOO={SECRET} BAR='{SECRET} {SECRET}'",
    f'"auths": {{"r": {{"auth": "{SECRET}"}}}}',
    f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----\nx",
    f"-----BEGIN PRIVATE KEY-----\n{SECRET}\nand cut",
    f"traefik.http.middlewares.a.basicauth.users=bob:$apr1${SECRET}$x",
    f"bob:$2y$05${SECRET}",
    f"docker swarm join --token SWMTKN-1-{SECRET} 10.0.0.1:2377",
    f"it said SWMTKN-1-{SECRET} and ghp_{SECRET}{SECRET} and glpat-{SECRET}{SECRET}",
    f"GET /x?X-Amz-Signature={SECRET}&x=1",
    f'password="{SECRET} and no end',
    f"com.example.secret: {SECRET}",
]
HARMLESS = [
    'time="2025-11-25" level=error msg="x" error="no such container: web"',
    "author=bob tokenizer=fast secretsmanager=1 passed=3",
    '"authorization-plugins": ["opa"]',
    "goroutine 7 [select, 2 minutes]:\nsync.(*Mutex).Lock(0xc000001000)",
    "unix:///var/run/docker.sock tcp://10.0.0.5:2376 http://proxy:3128",
    "--data-root /srv/docker --log-level debug",
    "/var/lib/docker/overlay2/3f2a@x",
]


@pytest.mark.parametrize("text", LEAKY)
def test_a_secret_is_hidden_and_its_name_is_not(text: str) -> None:
    masked = Masked()
    told = masked.text(text)
    assert SECRET not in told
    assert HIDDEN in told
    assert masked.lines()
    assert mask(told) == told


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_stays(text: str) -> None:
    assert mask(text) == text


@given(some.text())
@settings(max_examples=300, deadline=None)
def test_any_text_is_taken_and_what_is_hidden_stays_hidden(text: str) -> None:
    once = mask(text)
    assert SECRET not in mask(f"{text} password={SECRET}\n")
    assert mask(once).count(HIDDEN) >= once.count(HIDDEN)


@pytest.mark.parametrize(
    "text",
    ["token_" * 50_000, "-" * 300_000, "a" * 300_000, "x." * 150_000, "password='" * 30_000,
     "http://" + "a" * 300_000, "-token " * 40_000, "-----BEGIN PRIVATE KEY-----" * 5_000],
    ids=lambda text: text[:8],
)  # fmt: skip
def test_no_text_takes_for_ever(text: str) -> None:
    began = time.monotonic()
    mask(text)
    assert time.monotonic() - began < 30  # milliseconds, where it is linear


def test_json_is_hidden_by_its_structure() -> None:
    given = {
        "Config": {
            "Env": [f"FOO={SECRET}", "PATH=/bin", f"http_proxy=http://u:{SECRET}@p", "EMPTY="],
            "Labels": {"a.password": SECRET, "b": "harmless", "url": f"https://x:{SECRET}@h/"},
            "Cmd": ["mysqld", "--password", SECRET, "--port", "3306", f"--token={SECRET}"],
        },
        "auths": {"registry.example": {"auth": SECRET}},
        "environment": {"ANY": SECRET},
        "log-opts": {"splunk-token": SECRET, "max-size": "10m"},
        "count": 3,
        "on": True,
        "none": None,
    }
    masked = Masked()
    told = json.loads(json.dumps(masked.json(given)))  # type: ignore[arg-type]
    assert SECRET not in json.dumps(told)
    assert told["Config"]["Env"] == [
        f"FOO={HIDDEN}",
        "PATH=/bin",
        f"http_proxy=http://{HIDDEN}@p",
        "EMPTY=",
    ]
    assert told["Config"]["Labels"]["b"] == "harmless"
    assert told["Config"]["Cmd"][3:5] == ["--port", "3306"]
    assert told["auths"] == {"registry.example": HIDDEN}
    assert told["log-opts"]["max-size"] == "10m"
    assert (told["count"], told["on"], told["none"]) == (3, True, None)
    assert "1 x environment: FOO" in masked.lines()
