"""Whether a gradient can be trusted, and over how long a run."""
