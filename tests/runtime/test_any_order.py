"""Adding, claiming, settling, moving, losing locks and workers, in any order: no job is lost."""

from __future__ import annotations

import itertools
import uuid

import redis as sync_redis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from toril.declarations.child_failure import ChildFailure
from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.blame import blame
from toril.runtime.calls.changes import change_delay, change_priority
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.deduplication import read_owner, release
from toril.runtime.calls.limits import set_max_active
from toril.runtime.calls.locks import adopt, hand_back, recover, renew_locks, sweep_stalled
from toril.runtime.calls.many import promote_many, retry_many
from toril.runtime.calls.queues import pause, resume
from toril.runtime.calls.settle import CHILDREN_FAILED, CHILDREN_PENDING, settle_and_claim
from toril.runtime.job import ClaimedJob, NewJob, ParentLink
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed, Failed, GivenBack, Postponed, Retried
from toril.runtime.states import JobState
from toril.runtime.sync_sender import SyncSender

START_MS = 1_790_000_000_000
TOKENS = st.sampled_from(["one", "two"])
FOREVER = KeepRule()
MAX_ACTIVE = 2
LISTS = ("wait", "active")
SETS = ("prioritized", "delayed", "waiting_children", "completed", "failed")
#: Ways of deduplication.
MODES = st.sampled_from(
    [
        {},
        {"ttl": 50_000},
        {"replace": True},
        {"keepLastIfActive": True},
        {"keepLastIfActive": True, "replace": True},
        {"reschedule": True},
    ]
)


class Queue(RuleBasedStateMachine):
    """Two workers on one queue that bounds active jobs; each knows what it believes to run."""

    def __init__(self, redis: sync_redis.Redis) -> None:
        super().__init__()
        self.redis, self.sender = redis, SyncSender(redis)
        self.keys = QueueKeys(f"t{uuid.uuid4().hex[:12]}", "orders")
        self.now_ms = START_MS
        self.numbers = itertools.count()
        self.running: dict[str, dict[str, ClaimedJob]] = {"one": {}, "two": {}}
        self.starts: dict[str, int] = {}
        #: Jobs that are there, and jobs that may be: kept for the end of another one.
        self.stored: set[str] = set()
        self.kept: set[str] = set()
        self.max_active = MAX_ACTIVE
        self.is_paused = False
        self.sender.send(set_max_active(self.keys, MAX_ACTIVE))

    def new_job(self, **more) -> NewJob:
        fields = {"queue": "orders", "name": "n", "data": b"1", "timestamp_ms": self.now_ms}
        return NewJob(id=f"j{next(self.numbers)}", **{**fields, **more})

    def add(self, *jobs: NewJob) -> None:
        added = self.sender.send(add_jobs(self.keys.prefix, jobs, now_ms=self.now_ms))
        self.stored |= {one.id for one in added if one.created}

    @rule(
        delay_ms=st.sampled_from([0, 0, 5, 50]),
        priority=st.integers(0, 2),
        lifo=st.booleans(),
        count=st.integers(1, 4),
    )
    def add_some(self, delay_ms: int, priority: int, lifo: bool, count: int) -> None:
        options = {"delay_ms": delay_ms, "priority": priority, "lifo": lifo}
        self.add(*[self.new_job(**options) for _ in range(count)])

    @rule(
        children=st.integers(1, 3),
        on_failure=st.sampled_from(ChildFailure),
        priority=st.integers(0, 1),
    )
    def add_flow(self, children: int, on_failure: ChildFailure, priority: int) -> None:
        parent = self.new_job(waits_for_children=True, priority=priority)
        link = ParentLink(id=parent.id, queue="orders", on_failure=on_failure)
        self.add(parent, *[self.new_job(parent=link) for _ in range(children)])

    @rule(mode=MODES, dedup_id=st.sampled_from("xy"), delay_ms=st.sampled_from([0, 5, 50]))
    def add_deduplicated(self, mode: dict[str, object], dedup_id: str, delay_ms: int) -> None:
        owner = self.sender.send(read_owner(self.keys, dedup_id))
        job = self.new_job(opts={"deduplication": {"id": dedup_id, **mode}}, delay_ms=delay_ms)
        self.add(job)
        if job.id not in self.stored and "keepLastIfActive" in mode:
            self.kept.add(job.id)
        elif job.id in self.stored and owner and not self.redis.exists(self.keys.job(owner)):
            assert "replace" in mode
            self.stored.discard(owner)
            self.kept.discard(owner)

    @rule(dedup_id=st.sampled_from("xy"))
    def release_an_id(self, dedup_id: str) -> None:
        self.sender.send(release(self.keys, dedup_id))

    @rule(delay_ms=st.sampled_from([0, 7, 70]), data=st.data())
    def change_a_delay(self, delay_ms: int, data) -> None:
        ids = self.redis.zrange(self.keys.delayed, 0, -1)
        if ids:
            job_id = data.draw(st.sampled_from(ids)).decode()
            self.sender.send(change_delay(self.keys, job_id, delay_ms, now_ms=self.now_ms))

    @rule(priority=st.integers(0, 2), lifo=st.booleans(), data=st.data())
    def change_a_priority(self, priority: int, lifo: bool, data) -> None:
        if self.stored:
            job_id = data.draw(st.sampled_from(sorted(self.stored)))
            self.sender.send(change_priority(self.keys, job_id, priority, lifo=lifo))

    @rule(count=st.integers(1, 3))
    def promote_some(self, count: int) -> None:
        self.sender.send(promote_many(self.keys, count=count))

    @rule(count=st.integers(1, 3), state=st.sampled_from([JobState.FAILED, JobState.COMPLETED]))
    def retry_some(self, count: int, state: JobState) -> None:
        times = {"now_ms": self.now_ms, "finished_by_ms": self.now_ms}
        self.sender.send(retry_many(self.keys, state, count=count, **times))

    @rule(token=TOKENS, count=st.integers(1, 3))
    def wake_and_claim(self, token: str, count: int) -> None:
        self.redis.zpopmin(self.keys.marker)
        self.settle(token, [], count)

    @rule(token=TOKENS, kind=st.integers(0, 5), count=st.integers(0, 2), data=st.data())
    def settle_some(self, token: str, kind: int, count: int, data) -> None:
        ids = sorted(self.running[token])
        if ids:
            chosen = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True))
            jobs = [self.running[token].pop(one) for one in chosen]
            self.settle(token, [self.outcome(job, kind) for job in jobs], count)

    def outcome(self, job: ClaimedJob, kind: int):
        fence = job.attempts_started
        return (
            lambda: Completed(job.id, b"1", FOREVER, fence),
            lambda: Failed(job.id, "boom", b"[]", FOREVER, 1, fence),
            lambda: Retried(job.id, 0, "boom", b"[]", fence),
            lambda: Retried(job.id, 20, "boom", b"[]", fence),
            lambda: Postponed(job.id, self.now_ms + 30, fence),
            lambda: GivenBack(job.id, fence=fence),
        )[kind]()

    def settle(self, token: str, outcomes, count: int) -> list[int]:
        owner = Owner(token, 60_000)
        call = settle_and_claim(
            self.keys, owner=owner, outcomes=outcomes, claim=count, now_ms=self.now_ms
        )
        reply = self.sender.send(call)
        if reply.jobs:
            assert not self.is_paused
            assert self.redis.llen(self.keys.active) <= self.max_active
        self.start(token, reply.jobs)
        return reply.codes

    def start(self, token: str, jobs: list[ClaimedJob]) -> None:
        for job in jobs:
            assert job.attempts_started > self.starts.get(job.id, 0)
            self.starts[job.id] = job.attempts_started
            self.running[token][job.id] = job

    @rule(paused=st.booleans())
    def pause_or_resume(self, paused: bool) -> None:
        self.sender.send(pause(self.keys) if paused else resume(self.keys))
        self.is_paused = paused

    @rule(max_active=st.integers(1, 3))
    def allow_so_many(self, max_active: int) -> None:
        self.sender.send(set_max_active(self.keys, max_active))
        self.max_active = max_active

    @rule(ms=st.sampled_from([1, 10, 100]))
    def let_time_pass(self, ms: int) -> None:
        self.now_ms += ms

    @rule(data=st.data())
    def lose_a_lock(self, data) -> None:
        ids = self.redis.lrange(self.keys.active, 0, -1)
        if ids:
            self.redis.delete(self.keys.lock(data.draw(st.sampled_from(ids)).decode()))

    @rule()
    def sweep(self) -> None:
        self.redis.delete(self.keys.stalled_check)
        self.sender.send(sweep_stalled(self.keys, now_ms=self.now_ms, every_ms=1_000, limit=3))

    @rule(token=TOKENS)
    def renew(self, token: str) -> None:
        owned = self.sender.send(renew_locks([self.keys], [token], 60_000))
        own = owned.get(self.keys.queue, {}).get(token, [])
        for job_id in self.running[token].keys() - set(own):
            del self.running[token][job_id]

    @rule(token=TOKENS)
    def die(self, token: str) -> None:
        for job in self.running[token].values():
            self.sender.send(blame(self.keys, token, job.id, limit=3, reason="it kills"))
        self.running[token].clear()
        self.sender.send(hand_back(self.keys, token))

    @rule(token=TOKENS)
    def lose_a_reply(self, token: str) -> None:
        doubtful = {job.id: job.attempts_started for job in self.running[token].values()}
        found = self.sender.send(recover(self.keys, token, doubtful))
        self.running[token] = {job.id: job for job in found.active}

    @rule()
    def replace_worker_one(self) -> None:
        owner = Owner("two", 60_000)
        call = adopt(self.keys, from_token="one", owner=owner, now_ms=self.now_ms)
        self.running["one"].clear()
        self.start("two", self.sender.send(call))

    def places(self) -> dict[str, list[str]]:
        places: dict[str, list[str]] = {}
        for name in LISTS:
            for raw in self.redis.lrange(getattr(self.keys, name), 0, -1):
                places.setdefault(raw.decode(), []).append(name)
        for name in SETS:
            for raw in self.redis.zrange(getattr(self.keys, name), 0, -1):
                places.setdefault(raw.decode(), []).append(name)
        return places

    @invariant()
    def each_job_is_in_one_place_and_whole(self) -> None:
        places = self.places()
        assert self.stored <= places.keys() <= self.stored | self.kept
        assert {len(found) for found in places.values()} <= {1}
        for job_id, (place,) in places.items():
            fields = self.redis.hmget(self.keys.job(job_id), "name", "finishedOn")
            assert fields[0] == b"n"
            assert (fields[1] is not None) == (place in ("completed", "failed"))
            if place != "active":
                assert not self.redis.exists(self.keys.lock(job_id))
            if place == "waiting_children":
                assert self.redis.exists(self.keys.dependencies(job_id))

    @invariant()
    def work_that_may_start_wakes_somebody(self) -> None:
        waits = self.redis.llen(self.keys.wait) + self.redis.zcard(self.keys.prioritized)
        is_free = self.redis.llen(self.keys.active) < self.max_active and not self.is_paused
        if waits and is_free:
            assert self.redis.zscore(self.keys.marker, "0") is not None

    def teardown(self) -> None:
        """Whatever happened, everything ends when the workers just do their work."""
        self.pause_or_resume(paused=False)
        for token in self.running:
            self.sender.send(hand_back(self.keys, token))
        self.running = {"one": {}, "two": {}}
        for _ in range(1_000):
            self.now_ms += 10
            self.settle("one", [], MAX_ACTIVE)
            if not self.running["one"] and not self.redis.exists(self.keys.delayed):
                break
            self.finish_all()
        places = self.places()
        stuck = {job_id for job_id, (place,) in places.items() if place not in SETS[3:]}
        assert stuck <= self.waiting_for_failed_children()

    def finish_all(self) -> None:
        jobs = list(self.running["one"].values())
        self.running["one"].clear()
        doomed = [job for job in jobs if job.deferred_failure]
        fine = [job for job in jobs if not job.deferred_failure]
        codes = self.settle("one", [self.outcome(job, 0) for job in fine], 0)
        refused = [job for job, code in zip(fine, codes, strict=True) if code]
        # A child that was retried is pending again, wherever its parent is.
        assert set(codes) <= {0, CHILDREN_FAILED, CHILDREN_PENDING}
        self.settle("one", [self.outcome(job, 1) for job in [*doomed, *refused]], 0)

    def waiting_for_failed_children(self) -> set[str]:
        """A child without a flag that failed keeps its parent waiting, in BullMQ too."""
        waiting = self.redis.zrange(self.keys.waiting_children, 0, -1)
        return {
            raw.decode()
            for raw in waiting
            if any(
                self.redis.zscore(self.keys.failed, key.decode().rsplit(":", 1)[1]) is not None
                for key in self.redis.smembers(self.keys.dependencies(raw.decode()))
            )
        }


def test_no_job_is_lost_or_doubled_in_any_order(redis_sync: sync_redis.Redis) -> None:
    run_state_machine_as_test(
        lambda: Queue(redis_sync),
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
