"""What several benchmarks measure against: the emulator and a bare client, each a process."""
