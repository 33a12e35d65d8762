"""How results are rendered for people."""
