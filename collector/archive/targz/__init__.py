"""The archive format: a tar behind gzip, read as it arrives."""
