"""One small adapter for each circuit breaker that Python has, all with the same face."""
