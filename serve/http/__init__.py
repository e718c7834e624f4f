"""What is HTTP and not mfnjax: bodies, keys, limits, errors, logs, metrics, the description."""
