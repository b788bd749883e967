"""The `toril` command."""
