"""Where decisions meet I/O: the library's face, the loop, beginning and resuming a run."""
