"""Decisions: what to do next, when, and what an answer means.

No I/O, no clock and no randomness of its own: time and a seeded generator are arguments.
"""
