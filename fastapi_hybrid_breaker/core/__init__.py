"""The pure core: no I/O, no framework, time passed in as an argument."""
