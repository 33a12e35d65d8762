"""What people and other programs see of a running run: logs and progress."""
