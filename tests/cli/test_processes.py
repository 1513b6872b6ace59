"""The command beside services that are processes of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.web.servers import eventually, request, uvicorn_serving

from .command import process

if TYPE_CHECKING:
    import pytest

    from tests.fleet.server import Server

APP = "tests.fleet.served:app"
KEY = "inventory-api"


def test_service_is_reset_and_opened_from_the_terminal(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIRCUIT_REDIS_URL", server.url)

    def command(*arguments: str) -> str:
        done = process(*arguments, "--redis", server.url)
        assert done.code == 0, done
        return done.out

    with uvicorn_serving(APP) as port:

        def answer(status: int = 200) -> int:
            return request("GET", f"http://127.0.0.1:{port}/answer/{status}").status_code

        assert [answer(500) for _ in range(3)] == [500, 500, 500]
        assert answer() == 503
        eventually(lambda: "3 failures in a row" in command("status"))
        command("reset", KEY)
        eventually(lambda: answer() == 200)
        command("open", KEY, "--reason", "a migration", "--until-cleared")
        eventually(lambda: answer() == 503)
        assert "until cleared" in command("show", KEY)
        command("clear", KEY)
        eventually(lambda: answer() == 200)
        command("disable", KEY, "--reason", "it lies", "--for", "1h")
        eventually(lambda: {answer(500) for _ in range(5)} == {500})
