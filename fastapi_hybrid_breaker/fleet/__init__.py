"""The exchange with the other processes over Redis, all of it in the background."""
