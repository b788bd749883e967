"""Commands as Toril jobs: the plugin `shell`."""
