"""Load tests of the HTTP server: Locust users, a latency probe, and the documented scenarios."""
