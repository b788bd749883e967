"""For tests of pipelines and plugins."""
