"""Events: each transition tells what Node's tells, entry by entry; and we hear Node's."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from toril.declarations.child_failure import ChildFailure
from toril.declarations.job_type import KeepRule
from toril.runtime.calls import changes, jobs, many, queues, schedules
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.locks import sweep_stalled
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob, ParentLink, StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import (
    Completed,
    Failed,
    GivenBack,
    MovedToWaitingChildren,
    Postponed,
    Retried,
    Settlement,
)
from toril.runtime.removal import clean, drain, remove_family
from toril.runtime.schedules import follow_tick
from toril.runtime.sender import AsyncSender
from toril.runtime.states import JobState
from toril.runtime.steps import walk

OWNER = Owner("tok", 30_000)
KEEP = KeepRule()
#: Node's word for what a child's failure means.
FLAGS = {
    "fail": "failParentOnFailure",
    "ignore": "ignoreDependencyOnFailure",
    "continue": "continueParentOnFailure",
    "remove": "removeDependencyOnFailure",
    "wait": "",
}


class Ours:
    """What is done to a queue by Toril's calls."""

    def __init__(self, sender: AsyncSender, keys: QueueKeys) -> None:
        self.keys = keys
        self._sender = sender
        self._claimed: dict[str, StoredJob] = {}

    async def act(self, verb: str, *args: Any) -> None:
        await getattr(self, verb)(*args)

    async def add(self, job_id: str, opts: dict[str, Any] | None = None) -> None:
        await self._add(self._job(job_id, **(opts or {})))

    async def family(self, policy: str) -> None:
        link = ParentLink(id="p", queue=self.keys.queue, on_failure=ChildFailure(policy))
        await self._add(self._job("p", waits_for_children=True), self._job("c", parent=link))

    async def child_of(self, job_id: str, parent: str) -> None:
        link = ParentLink(id=parent, queue=self.keys.queue, on_failure=ChildFailure.WAIT)
        await self._add(self._job(job_id, parent=link))

    async def claim(self) -> None:
        await self._settle(claim=1)

    async def complete(self, job_id: str) -> None:
        await self._settle(Completed(job_id, b'{"n":[1]}', KEEP))

    async def complete_unkept(self, job_id: str) -> None:
        await self._settle(Completed(job_id, b'{"n":[1]}', KeepRule(count=0)))

    async def complete_and_claim(self, job_id: str) -> None:
        await self._settle(Completed(job_id, b'{"n":[1]}', KEEP), claim=1)

    async def fail_and_claim(self, job_id: str) -> None:
        await self._settle(Failed(job_id, "boom", b"[]", KEEP, 1), claim=1)

    async def fail(self, job_id: str, attempts: int = 1) -> None:
        await self._settle(Failed(job_id, 'no "account"', b"[]", KEEP, attempts))

    async def retry_later(self, job_id: str, delay_ms: int) -> None:
        await self._settle(Retried(job_id, delay_ms, "boom", b"[]"))

    async def postpone(self, job_id: str) -> None:
        await self._settle(Postponed(job_id, _now_ms() + 60_000))

    async def give_back(self, job_id: str) -> None:
        await self._settle(GivenBack(job_id))

    async def wait_for_children(self, job_id: str) -> None:
        await self._settle(MovedToWaitingChildren(job_id))

    async def promote(self, job_id: str) -> None:
        await self._sender.send(jobs.promote(self.keys, job_id))

    async def promote_all(self) -> None:
        await self._sender.send(many.promote_many(self.keys))

    async def retry(self, job_id: str) -> None:
        await self._sender.send(jobs.retry_job(self.keys, job_id, now_ms=_now_ms()))

    async def retry_all(self, state: str) -> None:
        call = many.retry_many(
            self.keys, JobState(state), now_ms=_now_ms(), finished_by_ms=_now_ms()
        )
        await self._sender.send(call)

    async def change_delay(self, job_id: str) -> None:
        call = changes.change_delay(self.keys, job_id, 60_000, now_ms=_now_ms())
        await self._sender.send(call)

    async def change_priority(self, job_id: str) -> None:
        await self._sender.send(changes.change_priority(self.keys, job_id, 3))

    async def progress(self, job_id: str) -> None:
        await self._sender.send(jobs.update_progress(self.keys, job_id, b'{"at":40}'))

    async def remove(self, job_id: str) -> None:
        await self._walk(remove_family(self.keys, job_id))

    async def pause(self) -> None:
        await self._sender.send(queues.pause(self.keys))

    async def resume(self) -> None:
        await self._sender.send(queues.resume(self.keys))

    async def drain(self) -> None:
        await self._walk(drain(self.keys))

    async def clean(self, state: str) -> None:
        await self._walk(clean(self.keys, JobState(state), latest_ms=_now_ms()))

    async def sweep(self) -> None:
        call = sweep_stalled(self.keys, now_ms=_now_ms(), every_ms=30_000, limit=1)
        await self._sender.send(call)

    async def schedule(self, every_ms: int) -> None:
        new = schedules.NewSchedule(id="s", name="sync", every_ms=every_ms)
        call = schedules.upsert_schedule(self.keys, new, now_ms=_now_ms(), next_ms=None)
        await self._sender.send(call)

    async def unschedule(self) -> None:
        await self._sender.send(schedules.remove_schedule(self.keys, "s"))

    def _job(self, job_id: str, **fields: Any) -> NewJob:
        now_ms = _now_ms()
        return NewJob(
            queue=self.keys.queue, id=job_id, name="sync", data=b"{}", timestamp_ms=now_ms, **fields
        )

    async def _add(self, *new: NewJob) -> None:
        await self._sender.send(add_jobs(self.keys.prefix, new, now_ms=_now_ms()))

    async def _settle(self, *outcomes: Settlement, claim: int = 0) -> None:
        now_ms = _now_ms()
        call = settle_and_claim(
            self.keys, owner=OWNER, outcomes=outcomes, claim=claim, now_ms=now_ms
        )
        reply = await self._sender.send(call)
        assert all(code >= 0 for code in reply.codes), reply.codes
        for job in reply.jobs:
            following = follow_tick(self.keys, job, now_ms=now_ms)
            if following is not None:
                await self._sender.send(following)

    async def _walk(self, steps: Any) -> None:
        await walk(steps, self._sender.send)


#: The same by Node.
THEIRS = """
const name = args.queue, q = queue(name);
const workers = (kept.workers ??= {});
workers[name] ??= worker(name, null, {autorun: false});
const [verb, ...given] = args.step;
const job = async (id) => await q.getJob(id);
const held = async (id) => { const found = await job(id); found.token = 'tok'; return found; };
const verbs = {
  add: (jobId, {delay_ms, priority, lifo} = {}) => q.add('sync', {}, {
      jobId, ...(delay_ms && {delay: delay_ms}), ...(priority && {priority}), ...(lifo && {lifo})}),
  family: (policy) => {
      const opts = {jobId: 'c', ...(args.flags[policy] && {[args.flags[policy]]: true})};
      const children = [{name: 'sync', queueName: name, opts}];
      return flows().add({name: 'sync', queueName: name, opts: {jobId: 'p'}, children});
  },
  child_of: (jobId, id) => q.add('sync', {}, {jobId, parent: {id, queue: q.qualifiedName}}),
  claim: async () => { kept.claimed = await workers[name].getNextJob('tok', {block: false}); },
  complete: async (id) => (await held(id)).moveToCompleted({n: [1]}, 'tok', false),
  complete_unkept: async (id) => {
      const found = await held(id);
      found.opts.removeOnComplete = true;
      await found.moveToCompleted({n: [1]}, 'tok', false);
  },
  complete_and_claim: () => kept.claimed.moveToCompleted({n: [1]}, 'tok', true),
  fail_and_claim: () => kept.claimed.moveToFailed(new Error('boom'), 'tok', true),
  fail: async (id, attempts = 1) => {
      const error = new (attempts > 1 ? UnrecoverableError : Error)('no "account"');
      const found = await held(id);
      found.opts.attempts = attempts;
      await found.moveToFailed(error, 'tok', false);
  },
  retry_later: async (id, delay) => {
      const found = await held(id);
      Object.assign(found.opts, {attempts: 3, backoff: delay ? {type: 'fixed', delay} : undefined});
      await found.moveToFailed(new Error('boom'), 'tok', false);
  },
  postpone: async (id) => (await held(id)).moveToDelayed(Date.now() + 60000, 'tok'),
  give_back: async (id) => (await held(id)).moveToWait('tok'),
  wait_for_children: async (id) => (await held(id)).moveToWaitingChildren('tok'),
  promote: async (id) => (await job(id)).promote(),
  promote_all: () => q.promoteJobs(),
  retry: async (id) => { const found = await job(id); await found.retry(await found.getState()); },
  retry_all: (state) => q.retryJobs({state}),
  change_delay: async (id) => (await job(id)).changeDelay(60000),
  change_priority: async (id) => (await job(id)).changePriority({priority: 3}),
  progress: async (id) => (await job(id)).updateProgress({at: 40}),
  remove: async (id) => (await job(id)).remove(),
  pause: () => q.pause(),
  resume: () => q.resume(),
  drain: () => q.drain(),
  clean: (state) => q.clean(0, 1000, state),
  sweep: () => workers[name].moveStalledJobsToWait(),
  schedule: (every) => q.upsertJobScheduler('s', {every}, {name: 'sync', data: {}}),
  unschedule: () => q.removeJobScheduler('s'),
};
await verbs[verb](...given);
return null;
"""

#: By hand, on both sides.
Both = Callable[[Redis, QueueKeys], Awaitable[Any]]


async def lose_lock(redis: Redis, keys: QueueKeys) -> None:
    await redis.delete(keys.lock("a"), keys.stalled_check)


ADD, CLAIM, DELAYED = ("add", "a"), ("claim",), ("add", "a", {"delay_ms": 60_000})
RUN = [ADD, CLAIM]

TRANSITIONS: dict[str, list[Any]] = {
    "add": [ADD, ("add", "b", {"priority": 2}), ("add", "c", {"lifo": True}), DELAYED],
    "add delayed": [DELAYED],
    "add again": [ADD, ADD],
    "add a family": [("family", "fail")],
    "complete, others left": [("add", "b"), *RUN, ("complete", "b")],
    "complete, the last": [*RUN, ("complete", "a")],
    "complete, one delayed": [("add", "b", {"delay_ms": 60_000}), *RUN, ("complete", "a")],
    "complete, not kept": [*RUN, ("complete_unkept", "a")],
    "complete a child, not kept": [("family", "fail"), CLAIM, ("complete_unkept", "c"), CLAIM],
    "complete and claim the next": [*RUN, ("add", "b"), ("complete_and_claim", "a")],
    "complete and find no next": [*RUN, ("complete_and_claim", "a")],
    "complete and find a delayed one": [
        *RUN,
        ("add", "b", {"delay_ms": 60_000}),
        ("complete_and_claim", "a"),
    ],
    "complete and claim a due one": [
        *RUN,
        ("add", "b", {"delay_ms": 1, "priority": 4}),
        lambda *_: asyncio.sleep(0.01),
        ("complete_and_claim", "a"),
    ],
    "complete in a paused queue": [*RUN, ("add", "b"), ("pause",), ("complete_and_claim", "a")],
    "complete the last in a paused queue": [*RUN, ("pause",), ("complete_and_claim", "a")],
    "complete a child and claim its parent": [
        ("family", "fail"),
        CLAIM,
        ("complete_and_claim", "c"),
    ],
    "fail and claim the next": [*RUN, ("add", "b"), ("fail_and_claim", "a")],
    "fail a child and claim its parent": [("family", "ignore"), CLAIM, ("fail_and_claim", "c")],
    "fail for good": [*RUN, ("fail", "a")],
    "fail early": [*RUN, ("fail", "a", 3)],
    "retry at once": [*RUN, ("retry_later", "a", 0)],
    "retry after a pause": [*RUN, ("retry_later", "a", 60_000)],
    "postpone": [*RUN, ("postpone", "a")],
    "give back": [*RUN, ("give_back", "a")],
    "wait for children": [*RUN, ("child_of", "c", "a"), ("wait_for_children", "a")],
    "the last child completes": [("family", "fail"), CLAIM, ("complete", "c"), CLAIM],
    **{
        f"a child fails, {policy}": [("family", policy), CLAIM, ("fail", "c"), CLAIM]
        for policy in FLAGS
    },
    "promote": [DELAYED, ("promote", "a")],
    "promote all": [DELAYED, ("add", "b", {"delay_ms": 70_000}), ("promote_all",)],
    "promote by time": [("add", "a", {"delay_ms": 1}), lambda *_: asyncio.sleep(0.01), CLAIM],
    "retry a failed one": [*RUN, ("fail", "a"), ("retry", "a")],
    "retry a completed one": [*RUN, ("complete", "a"), ("retry", "a")],
    "retry all failed": [*RUN, ("fail", "a"), ("retry_all", "failed")],
    "change a delay": [DELAYED, ("change_delay", "a")],
    "change a priority": [ADD, ("change_priority", "a")],
    "progress": [*RUN, ("progress", "a")],
    "remove a waiting one": [ADD, ("remove", "a")],
    "remove a delayed one": [DELAYED, ("remove", "a")],
    "remove a prioritized one": [("add", "a", {"priority": 1}), ("remove", "a")],
    "remove a completed one": [*RUN, ("complete", "a"), ("remove", "a")],
    "remove a failed one": [*RUN, ("fail", "a"), ("remove", "a")],
    "remove a family": [("family", "fail"), ("remove", "p")],
    "remove the child": [("family", "fail"), ("remove", "c")],
    "pause and resume": [ADD, ("pause",), ("resume",)],
    "drain": [ADD, ("drain",)],
    "clean": [*RUN, ("complete", "a"), ("clean", "completed")],
    "clean nothing": [ADD, ("clean", "completed")],
    "stall": [*RUN, lose_lock, ("sweep",), lose_lock, ("sweep",)],
    "schedule": [("schedule", 3_600_000), CLAIM],
    "reschedule": [("schedule", 3_600_000), CLAIM, ("schedule", 7_200_000)],
    "unschedule": [("schedule", 3_600_000), CLAIM, ("unschedule",)],
}


#: Where we differ, and why: what only Node tells, what only Toril.
DIFFERENT: dict[str, tuple[list[Any], list[Any]]] = {
    # The parent is removed in the same call; nobody could run it in between.
    "remove a family": (
        [
            [("event", "waiting"), ("jobId", "p"), ("prev", "waiting-children")],
            [("event", "removed"), ("jobId", "p"), ("prev", "wait")],
        ],
        [[("event", "removed"), ("jobId", "p"), ("prev", "waiting-children")]],
    ),
    # Nothing was cleaned.
    "clean nothing": ([[("event", "cleaned"), ("count", "0")]], []),
}


async def test_each_transition_tells_what_nodes_tells(node, async_sender, redis, prefix) -> None:
    different = {}
    for number, (transition, steps) in enumerate(TRANSITIONS.items()):
        ours = Ours(async_sender, QueueKeys(prefix, f"ours-{number}"))
        theirs = QueueKeys(prefix, f"theirs-{number}")
        for step in steps:
            if callable(step):
                await asyncio.gather(step(redis, ours.keys), step(redis, theirs))
            else:
                await ours.act(*step)
                await node.run(THEIRS, queue=theirs.queue, step=step, flags=FLAGS)

        told, heard = await read_events(redis, ours.keys), await read_events(redis, theirs)
        if transition in DIFFERENT:
            left = [e for e in heard if e not in told], [e for e in told if e not in heard]
            assert left == DIFFERENT[transition]
        elif told != heard:
            different[transition] = {"ours": told, "theirs": heard}

    assert different == {}


async def read_events(redis: Redis, keys: QueueKeys) -> list[list[tuple[str, str]]]:
    """The entries of a queue, without what differs by its name and by the moment."""
    raw = await redis.execute_command("XRANGE", keys.events, "-", "+")
    return [
        [
            (name.decode(), re.sub(r"\b\d{13}\b", "MS", value.decode()).replace(keys.queue, "Q"))
            for name, value in fields.items()
        ]
        for _, fields in raw
    ]


def _now_ms() -> int:
    return int(time.time() * 1000)


async def test_we_hear_what_node_does(node, client) -> None:
    reader = client.events("orders")
    await reader.open()
    start = reader.after

    await node.run(
        """
        const q = queue('orders');
        const job = await q.add('echo', {}, {jobId: 'a'});
        await q.add('echo', {}, {jobId: 'later', delay: 60000});
        const {connection, prefix} = q.opts;
        const own = new QueueEventsProducer('orders', {connection, prefix});
        await own.publishEvent({eventName: 'mine', note: 'hello'});
        await own.close();
        const work = worker('orders', null, {autorun: false});
        const got = await work.getNextJob('tok', {block: false});
        await got.updateProgress({at: [40]});
        await got.moveToCompleted({n: [1]}, 'tok', false);
        """
    )
    events = [event async for event in until_completed(reader)]
    told = {event.name: event for event in events}

    assert [event.name for event in events if event.job_id == "a"] == [
        "added",
        "waiting",
        "active",
        "progress",
        "completed",
    ]
    assert told["added"].job_type == "echo"
    assert told["delayed"].due_at is not None
    assert (told["mine"].fields["note"], told["mine"].job_id) == ("hello", None)
    assert told["progress"].progress == {"at": [40]}
    assert (told["completed"].result, told["completed"].previous) == ({"n": [1]}, "active")
    assert (await client.job("orders", "a").wait("2s")).state == "completed"
    again = await client.events("orders", after=start).read(2)
    assert again[: len(events)] == events


async def until_completed(reader: Any) -> Any:
    async with asyncio.timeout(5):
        async for event in reader:
            yield event
            if event.name == "completed":
                return
