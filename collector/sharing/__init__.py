"""Exports that runs under one output directory share."""
