"""A run on disk: its directory, its lock, its journal, and the manifest made of it."""
