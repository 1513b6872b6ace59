"""What the command takes, and how it says no."""

from __future__ import annotations

import getpass
import socket
import subprocess
import sys
import tomllib
from importlib import import_module

import pytest

from fastapi_hybrid_breaker.cli import main
from fastapi_hybrid_breaker.cli.app import app
from fastapi_hybrid_breaker.cli.options import who
from tests.fleet.server import Server

from .command import ROOT, on, process, run

KEY = "inventory-api"
NOWHERE = "redis://127.0.0.1:9/0"
DAY = 86_400.0


def left(server: Server, *how_long: str) -> float | None:
    order = ("open", KEY, "--reason", "x", *how_long, "--json")
    seconds: float | None = on(server, *order).json["circuit"]["override"]["remaining"]
    return seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("30s", 30.0), ("10m", 600.0), ("2h", 7200.0), ("1d", DAY), ("90", 90.0)),
        *(("1.5h", 5400.0), (" 5m ", 300.0), ("366d", 366 * DAY), ("31622400", 366 * DAY)),
    ],
)
def test_durations(server: Server, text: str, seconds: float) -> None:
    remaining = left(server, "--for", text)
    assert remaining is not None
    assert seconds - 20 < remaining <= seconds


def test_until_cleared(server: Server) -> None:
    assert left(server, "--until-cleared") is None


@pytest.mark.parametrize(
    "text",
    ["0", "0s", "-5m", "367d", "31622400.5", "ten", "10 m", "5M", "1h30m", "nan", "inf", "٣s"],
)
@pytest.mark.parametrize("command", ["open", "disable"])
def test_time_that_is_none_or_out_of_range(command: str, text: str) -> None:
    done = run(command, KEY, "--reason", "x", f"--for={text}", "--redis", NOWHERE)
    assert done.code == 2
    assert f"not {text!r}" in done.err
    assert "--for must be" in done.err
    assert "366d (31622400 seconds)" in done.err


@pytest.mark.parametrize("command", ["open", "disable"])
def test_how_long_must_be_said_once(command: str) -> None:
    order = (command, KEY, "--reason", "x", "--redis", NOWHERE)
    for more, said in (
        ((), "none was given"),
        (("--for", "1m", "--until-cleared"), "both were given"),
    ):
        done = run(*order, *more)
        assert done.code == 2
        assert "--for TIME and --until-cleared" in done.err
        assert said in done.err


@pytest.mark.parametrize("text", ["", "x" * 201, "two\nlines", "\x1b[2J"])
@pytest.mark.parametrize("option", ["--reason", "--by"])
def test_texts_for_all_to_see_are_checked(option: str, text: str) -> None:
    texts = {"--reason": "x", "--by": "ann"} | {option: text}
    if texts["--by"] == "":
        return  # as if it were not given
    more = [part for pair in texts.items() for part in pair]
    done = run("open", KEY, "--for", "1m", *more, "--redis", NOWHERE)
    assert done.code == 2
    assert f"{option} must be text of 1 to 200 printable characters" in done.err
    assert all(char.isprintable() or char == "\n" for char in done.err)


@pytest.mark.parametrize("text", ["x" * 201, "two\nlines", "\x1b[2J"])
@pytest.mark.parametrize("command", ["reset", "clear"])
def test_a_reason_that_need_not_be_given_is_checked_where_it_is(command: str, text: str) -> None:
    done = run(command, KEY, "--reason", text, "--redis", NOWHERE)
    assert done.code == 2
    assert "--reason must be text of 0 to 200 printable characters" in done.err
    assert all(char.isprintable() or char == "\n" for char in done.err)


@pytest.mark.parametrize("key", ["", "..", "a/../b", "x/-/y", "\x1b[2J", "x" * 257, "\udcff"])
@pytest.mark.parametrize("command", ["show", "reset", "clear"])
def test_key_that_names_no_circuit(command: str, key: str) -> None:
    done = run(command, "--redis", NOWHERE, "--", key)
    assert done.code == 2
    assert "a circuit's key must" in done.err
    assert all(char.isprintable() or char == "\n" for char in done.err)


def test_bytes_that_are_no_text_are_refused_as_a_key() -> None:
    command = [sys.executable, "-m", "fastapi_hybrid_breaker.cli", "show", "--redis", NOWHERE]
    done = subprocess.run([*command, b"\xff\x1b[2J"], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 2
    assert b"a circuit's key must" in done.stderr
    assert b"\x1b" not in done.stderr


@pytest.mark.parametrize("namespace", ["", "a b", "a{b", "a#b", "\x1b"])
def test_namespace_that_is_none(namespace: str) -> None:
    done = run("status", "--redis", NOWHERE, f"--namespace={namespace}")
    assert done.code == 2
    assert "namespace must have 1 to 256 printable characters" in done.err


@pytest.mark.parametrize("timeout", ["0", "0.09", "61", "-1", "nan"])
def test_timeout_out_of_range(timeout: str) -> None:
    done = run("status", "--redis", NOWHERE, f"--timeout={timeout}")
    assert done.code == 2
    assert "--timeout must be a number of seconds from 0.1 to 60, not" in done.err


@pytest.mark.parametrize(
    "arguments", [("shut",), ("show",), ("status", "[red]x"), ("open", KEY, "--nonsense")]
)
def test_usage_is_explained(arguments: tuple[str, ...]) -> None:
    done = process(*arguments, CIRCUIT_REDIS_URL="redis://ann:s3cret@127.0.0.1:9/0")
    assert done.code == 2
    assert "Usage:" in done.err
    assert "Traceback" not in done.err
    assert "s3cret" not in done.err


def test_help_of_every_command_names_what_is_common_and_no_secret() -> None:
    for command in ("status", "show", "reset", "open", "disable", "clear"):
        done = run(command, "--help", CIRCUIT_REDIS_URL="redis://ann:s3cret@127.0.0.1:9/0")
        assert done.code == 0
        for option in ("--redis", "--namespace", "--json", "--timeout", "CIRCUIT_REDIS_URL"):
            assert option in done.out
        assert "s3cret" not in done.out


def test_environment_names_the_fleet_and_an_option_wins(server: Server) -> None:
    variables = {"CIRCUIT_REDIS_URL": server.url, "CIRCUIT_NAMESPACE": "shop"}
    assert run("status", "--json", **variables).json["namespace"] == "shop"
    said = run("status", "--json", "--namespace", "other", **variables).json
    assert said["namespace"] == "other"
    said = run("status", "--json", "--redis", server.url, CIRCUIT_REDIS_URL=NOWHERE).json
    assert said["namespace"] == "circuit"


def test_other_variables_of_the_services_do_not_matter(server: Server) -> None:
    done = run("status", CIRCUIT_REDIS_URL=server.url, CIRCUIT_FAILURE_THRESHOLD="many")
    assert done.code == 0


def test_who_orders_it_is_the_shells_user(monkeypatch: pytest.MonkeyPatch) -> None:
    assert who("") == f"{getpass.getuser()}@{socket.gethostname()}"
    assert who("ann") == "ann"
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 300 + "\x1b")
    assert len(who("")) == 200

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    monkeypatch.setattr(socket, "gethostname", lambda: "box")
    assert who("").endswith("@box")


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_extra_that_is_not_installed_is_named(missing: str) -> None:
    code = (
        f"import sys; sys.modules[{missing!r}] = None;"
        "from fastapi_hybrid_breaker.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 1
    assert "pip install 'fastapi-hybrid-breaker[cli]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_other_modules_that_are_missing_are_a_defect() -> None:
    code = (
        "import sys; sys.modules['getpass'] = None;"
        "from fastapi_hybrid_breaker.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "ModuleNotFoundError" in done.stderr


def test_a_defect_shows_no_variables() -> None:
    assert app.pretty_exceptions_enable is False


def test_the_console_script_is_the_command() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, name = scripts["fastapi-hybrid-breaker"].partition(":")
    assert callable(getattr(import_module(module), name))


def test_the_command_runs_by_its_entry(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["fastapi-hybrid-breaker", "status", "--redis", server.url])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "No instance is alive" in capsys.readouterr().out
