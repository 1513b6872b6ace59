"""Measurements: ratios to the floor of the same run, in rounds that take turns."""
