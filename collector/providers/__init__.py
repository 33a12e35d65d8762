"""Fleet APIs: the protocol they are spoken through, and a folder for each vendor."""
