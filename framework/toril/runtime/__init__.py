"""From declarations to Redis: keys, scripts, calls, worker, schedules, flows, embedded server."""
