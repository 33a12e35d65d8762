"""Decisions: what to do next, when, and what an answer means. No I/O, no clock, no randomness of its own."""
