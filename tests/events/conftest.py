"""The server of the fleet's tests."""

from tests.fleet.conftest import link, server, shared_server

__all__ = ["link", "server", "shared_server"]
