"""Guarded transports for httpx and httpx2; neither library is imported here."""
