"""Measures Toril beside its peers: `make bench`; docs/performance.md shows and explains it."""
