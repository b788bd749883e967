"""lib/plain_round.lua against the rest of settle_and_claim: after the same call, the same state."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest
import redis as sync_redis
from tests.scripts.settling import MANUAL_LIMIT, OWNER, job

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.connection import connect_sync
from toril.runtime.keys import QueueKeys
from toril.runtime.outcomes import Completed, GivenBack
from toril.runtime.packing import unpack
from toril.runtime.scripts import load_script
from toril.runtime.sync_sender import SyncSender

NOW = 1_790_000_000_000
#: So often each special thing meets a plain state.
TIMES = 10
PLAYS = "play_plain_round(KEYS[1], now_ms, owner, wanted, outcomes)\n"
#: What each of three databases runs on the same state: all, all but the plain round, it alone.
VARIANTS = (PLAYS, "nil, nil\n", PLAYS + "do return plain_codes and 'plain' or '' end\n")

#: Makes a plain state special in one way, most of which take a job: one that runs or waits.
SPECIALS = {
    "paused": lambda r, keys, one: r.hset(keys.meta, "paused", "1"),
    "at its most": lambda r, keys, one: r.hset(keys.meta, "concurrency", "3"),
    "rate": lambda r, keys, one: r.hset(keys.meta, mapping={"max": "2", "duration": "1000"}),
    "limits per key": lambda r, keys, one: (
        r.hset(keys.meta, "t:k", "[[1,0,0]]"),
        r.hset(keys.job(one), "t:k", '["a"]'),
        r.sadd(keys.base + "meta:t:k:1:a:held", *r.lrange(keys.active, 0, -1)),
    ),
    "no cap": lambda r, keys, one: r.hdel(keys.meta, "opts.maxLenEvents"),
    "limited by hand": lambda r, keys, one: r.set(keys.base + "limiter", MANUAL_LIMIT, px=99999),
    "due": lambda r, keys, one: r.zadd(keys.delayed, {one: NOW * 4096}),
    "not due": lambda r, keys, one: r.zadd(keys.delayed, {"later": (NOW + 5) * 4096}),
    "no hash": lambda r, keys, one: r.delete(keys.job(one)),
    "not a hash": lambda r, keys, one: (r.delete(keys.job(one)), r.set(keys.job(one), "text")),
    "doomed": lambda r, keys, one: r.hset(keys.job(one), "defa", "child failed"),
    "started before": lambda r, keys, one: r.hincrby(keys.job(one), "ats", 1),
    "tried before": lambda r, keys, one: r.hset(keys.job(one), "atm", "2"),
    "old marker": lambda r, keys, one: r.rpush(keys.wait, "0:0"),
    "no lock": lambda r, keys, one: r.delete(keys.job(one) + ":lock"),
    "foreign lock": lambda r, keys, one: r.set(keys.job(one) + ":lock", "other"),
    "children": lambda r, keys, one: r.sadd(keys.job(one) + ":dependencies", "bull:x:y"),
    "failed children": lambda r, keys, one: r.zadd(
        keys.job(one) + ":unsuccessful", {"bull:x:y": 1}
    ),
    "results": lambda r, keys, one: r.hset(keys.job(one) + ":processed", "bull:x:y", "1"),
    "parent": lambda r, keys, one: (
        r.hset(keys.job(one), "parentKey", "bull:x:p"),
        r.hset("bull:x:p", "name", "parent"),
        r.sadd("bull:x:p:dependencies", keys.job(one)),
        r.zadd("bull:x:waiting-children", {"p": 1}),
    ),
    "deduplicated": lambda r, keys, one: (
        r.hset(keys.job(one), "deid", "d"),
        r.set(keys.base + "de:d", one),
    ),
    "not active": lambda r, keys, one: r.lrem(keys.active, 1, one),
    "stalled": lambda r, keys, one: r.sadd(keys.base + "stalled", one),
    "prioritized": lambda r, keys, one: r.zadd(keys.prioritized, {one: 4294967296}),
    "marked": lambda r, keys, one: r.zadd(keys.base + "marker", {"0": 0}),
    "many kept": lambda r, keys, one: (
        r.zadd(keys.completed, {f"old-{n}": n for n in range(250)}),
        r.hset(keys.job("old-120"), "name", "sync"),
        *(
            r.rpush(f"{keys.job('old-120')}:{kept}", "whatever stands there goes along")
            for kept in ("logs", "dependencies", "processed", "failed", "unsuccessful")
        ),
    ),
}


@pytest.fixture
def databases(server) -> Iterator[list[sync_redis.Redis]]:
    """One for each variant, emptied."""
    made = [connect_sync(f"{server.url}?db={n}") for n in range(9, 12)]
    for each in made:
        each.flushdb()
    yield made
    for each in made:
        each.flushdb()
        each.close()


def build_state(chance: random.Random, first: sync_redis.Redis, keys: QueueKeys) -> list[str]:
    """Fills a queue; gives the ids of the jobs that run."""
    sender = SyncSender(first)
    ran, active, waiting = chance.randint(0, 5), chance.randint(1, 6), chance.randint(2, 8)
    ids = [f"j{n}" for n in range(ran + active + waiting)]
    chance.shuffle(ids)
    for one in ids:
        sender.send(add_jobs(keys.prefix, [job(one)], now_ms=NOW - 9))
    claimed = sender.send(settle_and_claim(keys, owner=OWNER, claim=ran, now_ms=NOW - 8)).jobs
    done = [Completed(each.id, b"1", KeepRule()) for each in claimed]
    call = settle_and_claim(keys, owner=OWNER, outcomes=done, claim=active, now_ms=NOW - 7)
    claimed = sender.send(call).jobs
    if chance.random() < 0.5:
        first.delete(keys.base + "marker")
    return [each.id for each in claimed]


def choose_outcomes(chance: random.Random, running: list[str]) -> list[Completed | GivenBack]:
    """Completes some of the jobs that run, now and then otherwise than a plain round takes."""
    keep = chance.choice([KeepRule(), KeepRule(count=3), KeepRule(count=1)])
    ids = chance.sample(running, chance.randint(0, len(running)))
    if ids and chance.random() < 0.1:
        ids.append(chance.choice([*ids, "nobody"]))
    outcomes: list[Completed | GivenBack] = [
        Completed(one, b'"\xc3\xbc"', keep, chance.choice([0, 1, 1, 1])) for one in ids
    ]
    if outcomes and chance.random() < 0.1:
        one = outcomes[0].id
        odd = [KeepRule(count=0), KeepRule(age_ms=5), KeepRule(count=2)]
        outcomes[0] = chance.choice([GivenBack(one), *(Completed(one, b"1", rule) for rule in odd)])
    return outcomes


def read_reply(reply: bytes) -> list[object]:
    """Gives a reply's parts, of a limit only whether there is one: time goes on meanwhile."""
    codes, jobs, limit_ms, *others = unpack(reply)
    return [codes, jobs, limit_ms > 0, *others]


def read_all(database: sync_redis.Redis) -> dict[bytes, object]:
    """Gives all keys with what they hold, whether they run out, and events without their ids."""
    found: dict[bytes, object] = {}
    for key in database.scan_iter(count=1000):
        kind = database.type(key)
        if kind == b"stream":
            value: object = [list(fields.items()) for _, fields in database.xrange(key)]
        elif kind == b"zset":
            value = database.zrange(key, 0, -1, withscores=True)
        else:
            readers = {b"string": "get", b"hash": "hgetall", b"set": "smembers"}
            reader = readers.get(kind)
            value = getattr(database, reader)(key) if reader else database.lrange(key, 0, -1)
        found[key] = (value, database.ttl(key) > 0)
    return found


def test_a_plain_round_does_what_any_other_would(databases) -> None:
    source = load_script("settle_and_claim").source.decode()
    assert source.count(PLAYS) == 1
    sources = [source.replace(PLAYS, variant) for variant in VARIANTS]
    keys, played = QueueKeys("bull", "orders"), Counter[bool]()
    for seed, special in enumerate(TIMES * [None, None, *SPECIALS]):
        chance = random.Random(seed)
        for database in databases:
            database.flushdb()
        running = build_state(chance, databases[0], keys)
        outcomes, wanted = choose_outcomes(chance, running), chance.choice([0, 1, 1, 1, 2, 4])
        if special is not None:
            ended = [outcome.id for outcome in outcomes]
            next_up = [one.decode() for one in databases[0].lrange(keys.wait, -wanted - 1, -1)]
            SPECIALS[special](databases[0], keys, chance.choice([*ended, *next_up, "nobody"]))
        call = settle_and_claim(keys, owner=OWNER, outcomes=outcomes, claim=wanted, now_ms=NOW)
        for number in (10, 11):
            for key in databases[0].scan_iter(count=1000):
                databases[0].copy(key, key, destination_db=number)

        replies = [
            database.eval(each, 1, *call.keys, *call.args)
            for database, each in zip(databases, sources, strict=True)
        ]

        what = f"seed {seed}: {special}, {outcomes}, {wanted} wanted"
        assert read_reply(replies[0]) == read_reply(replies[1]), what
        assert read_all(databases[0]) == read_all(databases[1]), what
        played[bool(replies[2])] += 1
    assert min(played[True], played[False]) > seed / 5
