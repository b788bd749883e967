"""Frozen data that says what a pipeline is, and pure functions on it."""
