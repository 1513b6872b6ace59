"""``make fuzz-api``: schemathesis tries the admin router by its own description.

Served by uvicorn with a real Valkey behind it: open to anyone, with a token, and with the token
left out. An answer of 500 and above fails, and one that is not as it is described. The stream of
events is left out, since it has no end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from tests.fleet.server import Server, valkey_server

from .servers import uvicorn_serving

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN = "0123456789abcdef"  # noqa: S105

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance,negative_data_rejection,"
    "unsupported_method,allow_header_conformance,ignored_auth"
)


def run(schemathesis: str, options: Sequence[str], token: str | None, *shown: str) -> int:
    with (
        tempfile.TemporaryDirectory() as folder,
        Server(valkey_server(), Path(folder)) as server,
    ):
        environment = {"CIRCUIT_REDIS_URL": server.url}
        if token is not None:
            environment["ADMIN_TOKEN"] = token
        with (
            mock.patch.dict("os.environ", environment),
            uvicorn_serving("tests.web.served_admin:app") as port,
        ):
            command = [schemathesis, "run", f"http://127.0.0.1:{port}/openapi.json"]
            command += ["--exclude-path-regex", "/-/events", "--checks", CHECKS, "--seed", "7"]
            return subprocess.run([*command, *shown, *options], check=False).returncode


def main(schemathesis: str, *options: str) -> int:
    statuses = (
        run(schemathesis, options, None),
        run(schemathesis, options, TOKEN, "--header", f"Authorization: Bearer {TOKEN}"),
        run(schemathesis, options, TOKEN),
    )
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
