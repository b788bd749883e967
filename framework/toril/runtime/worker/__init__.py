"""One worker process: claim, run, settle."""
