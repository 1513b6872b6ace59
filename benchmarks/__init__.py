"""Measurements: ratios to the bare call of the same run, in interleaved rounds."""
