"""Servers that misbehave among others that do not, in the simulator and over TCP."""
