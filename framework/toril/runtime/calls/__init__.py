"""Every Redis operation, as a pure function that builds one Call."""
