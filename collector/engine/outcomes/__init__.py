"""What an answer means for its server, and what it teaches beside."""
