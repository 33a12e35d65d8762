"""Whether calls may leave at all: circuit breakers, credentials, calls in flight."""
