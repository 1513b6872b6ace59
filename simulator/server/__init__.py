"""A server as instances see one: commands, scripts, channels, and what can befall it."""
