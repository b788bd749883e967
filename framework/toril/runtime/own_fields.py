"""What Toril adds to BullMQ's layout: job hash fields `t:*`, keys `PREFIX:QUEUE:meta:t:*`.

BullMQ's tools pass unknown hash fields through; keys under `meta:` survive their clean-up:

- `meta:t:starts`: a list of the instants of the last starts under a rate limit, newest first
- `meta:t:counted`: how many starts of BullMQ's counter `limiter` were Toril's
- `meta:t:k:NUMBER:KEY:held`, `:starts`, `:parked`: who holds the slots of a key of a limit, when
  its last jobs started, who waits for it; `meta:t:parked`: what the keys begin with that anybody
  waits for; `meta:t:ring`: a sorted set of the jobs that waited for a key and may start, by turns
- `meta:t:ticks`: a hash, by schedule: the tick that began last, and the jobs with which
  its work ends; of schedules that do not overlap, and for as long as that goes on if removed
- `meta:t:paused-schedules`: see `QueueKeys.paused_schedules`
- `meta:t:cancel`: a channel, see `QueueKeys.cancel_channel`
"""

from __future__ import annotations

#: On a job: `TOKEN#ATS`, written at each claim: who runs it, and which start of it this is.
OWNER = "t:o"
#: On a job that would wait for children when none was pending: which start of it that was.
WAITED_IN_VAIN = "t:w"
#: On a job that is a step: its flow's name.
FLOW = "t:f"
#: On a job that is a step: the run's id.
RUN = "t:r"
#: On a job that is a step: the step's name.
STEP = "t:s"
#: On a step whose data needs results of others, until it is first claimed: the run's inputs as
#: JSON. Its `data` shows the declared text meanwhile; only what is declared is ever evaluated.
STEP_DATA = "t:d"
#: On a job of a queue with limits per key: its keys, JSON, one a limit; null for none. In the
#: queue's `meta` under the same name: the limits, see `limit_keys.describe_limits`.
LIMIT_KEYS = "t:k"
#: On a job that waits for a slot or turn of a key: the beginning of that key's own Redis keys.
PARKED = "t:kp"
#: In a queue's `meta`: 1 if the ring started the last job, 0 if the line of all others did.
TURN = "t:kt"
#: On a job that is to be cancelled, or was: the reason that it fails with.
CANCELLED = "t:c"
#: On a job, before the name of a durable step: the result that is kept, JSON.
DURABLE_STEP = "t:j:"
#: On a dead letter: where it came from, JSON; `runtime/dead_letters.py` has its shape.
DEAD_LETTER = "t:dl"
#: On a step with an `if`: the run's inputs as JSON.
STEP_CONDITION = "t:i"
#: On a step with `foreach` or `matrix`, whose job adds one for each item and waits for them: 1.
FAN_OUT = "t:g"
#: On a job that such a step added: the item's number, from 0.
ITEM = "t:m"
#: On the step that is stored first of a run too large for one call: 1 until all its jobs are stored
#: and it is started, then who started it.
HELD = "t:h"
#: On a step that several others need: those beside BullMQ's one parent. JSON, a list of pairs of
#: the parent's key and what BullMQ stores in `parent`.
FURTHER_PARENTS = "t:n"
#: On a scheduler's record `repeat:<id>`: the project that owns it.
SCHEDULE_OWNER = "t:p"
#: On a scheduler's record: how much later the jobs of its ticks may be due, in ms.
SCHEDULE_JITTER = "t:e"

#: In a queue's `meta`: the declared limits that were applied last, `CONCURRENCY|MAX|DURATION`.
APPLIED_LIMITS = "t:l"

#: Fields that a new job may carry.
JOB_FIELDS = frozenset(
    {FLOW, RUN, STEP, STEP_DATA, STEP_CONDITION, FAN_OUT, ITEM, HELD, LIMIT_KEYS}
)


def format_owner(token: str, attempts_started: int) -> str:
    """Makes the owner mark of one start of a job."""
    return f"{token}#{attempts_started}"
