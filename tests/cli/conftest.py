"""The servers of the fleet's tests."""

from __future__ import annotations

from tests.fleet.conftest import link, server, shared_server

__all__ = ["link", "server", "shared_server"]
