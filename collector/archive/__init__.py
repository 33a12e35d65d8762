"""A stream of bytes becomes a verified file at a path it is given."""
