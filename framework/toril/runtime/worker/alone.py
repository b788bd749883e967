"""What a supervisor does for its workers, for a worker that has none: locks and stalled jobs."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from toril.declarations.queue import Queue
from toril.plugins.observers import Observers
from toril.runtime.calls.locks import Swept
from toril.runtime.worker.ground import Ground
from toril.runtime.worker.locks import LockKeeper
from toril.runtime.worker.stalled import StalledSweep

#: `Worker.keep_locked`.
KeepLocked = Callable[[Sequence[str], Mapping[str, Sequence[str]], float], None]


def look_after_itself(
    ground: Ground,
    queues: Sequence[Queue],
    *,
    keep_locked: KeepLocked,
    observers: Observers,
) -> list[Coroutine[Any, Any, None]]:
    """Gives what has to run beside such a worker, until cancelled."""

    def tell_stalled(queue: str, swept: Swept) -> None:
        for job_id in (*swept.returned, *swept.failed):
            observers.notify("toril_job_stalled", queue=queue, job_id=job_id)
        if swept.returned or swept.failed:
            counts = {"returned": len(swept.returned), "failed": len(swept.failed)}
            ground.news.say("jobs_stalled", {"queue": queue, **counts})

    keeper = LockKeeper(
        ground.sender,
        ground.clock,
        queues,
        lambda: [ground.token],
        prefix=ground.prefix,
        on_renewed=lambda renewal: keep_locked(
            renewal.queues, renewal.of(ground.token), renewal.as_of
        ),
        outage=ground.outage,
    )
    sweep = StalledSweep(
        ground.sender,
        ground.clock,
        queues,
        prefix=ground.prefix,
        on_swept=tell_stalled,
        outage=ground.outage,
    )
    return [keeper.run(), sweep.run()]
