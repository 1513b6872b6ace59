"""A fleet of real processes around a real Valkey: ``make bench-fleet``."""
