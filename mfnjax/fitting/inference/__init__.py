"""What the data can tell: covariance, profiles, bootstrap, identifiability."""
