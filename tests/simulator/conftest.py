"""A real server beside the simulated one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fleet.server import Server, valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(valkey_server(), tmp_path_factory.mktemp("valkey")) as server:
        yield server
