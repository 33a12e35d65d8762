"""When a status is worth asking for."""
