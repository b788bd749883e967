"""One file a contender: how it adds jobs, what its jobs run, how its worker is started."""
