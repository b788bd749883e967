"""The demo's own code: plain Python that knows nothing of Toril."""
