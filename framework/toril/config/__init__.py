"""From YAML text to problems or declarations."""
