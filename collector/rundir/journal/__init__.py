"""The journal: written ahead of everything, read with distrust."""
