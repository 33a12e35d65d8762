"""Whether calls may leave at all: breaker breakers, credentials, calls in flight."""
