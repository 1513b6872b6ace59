"""The server of the fleet's tests."""

from tests.fleet.conftest import server, shared_server

__all__ = ["server", "shared_server"]
