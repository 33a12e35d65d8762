"""Where servers wait, and whose turn it is."""
