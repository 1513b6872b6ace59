"""Faults of all kinds on two uvicorn workers under load; ``make chaos`` runs it."""
