"""A run on disk: its directory, lock, journal, manifest, and whether they agree."""
