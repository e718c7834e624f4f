"""Scripts that people run and read, from a checkout."""
