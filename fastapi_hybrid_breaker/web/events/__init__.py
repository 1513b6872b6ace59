"""The live events of the admin router."""
