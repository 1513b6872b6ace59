"""Guarded calls: the circuit's public object, its shapes of use, and what nests in what."""
