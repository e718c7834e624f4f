"""The HTTP server of mfnjax: compiled simulation functions behind a bounded queue."""
