"""A fleet on virtual time: the production code and scripts, over a network that fails on purpose.

Only the transport and the clocks are replaced. Every run is determined by its scenario: the same
seed gives the same history, event by event.
"""
