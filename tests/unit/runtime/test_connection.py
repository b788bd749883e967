"""Tests of runtime/connection.py: options, server checks, error classes."""

from __future__ import annotations

import pytest
from redis import exceptions

from toril.errors import (
    RedisMisconfigured,
    RedisOutOfMemory,
    RedisRefused,
    RedisUnavailable,
)
from toril.runtime.call import Call
from toril.runtime.connection import (
    check_server,
    connect,
    connect_sync,
    hide_password,
    is_dead_connection,
    judge_server,
    measure_offset_ms,
    translate_error,
)
from toril.runtime.sender import AsyncSender

GOOD = {"redis_version": "7.2.4", "maxmemory_policy": "noeviction", "role": "master"}


def test_a_server_that_holds_jobs_safely_passes() -> None:
    judge_server(GOOD, "here")


def test_what_info_does_not_tell_is_taken_to_be_right() -> None:
    judge_server({}, "here")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"redis_version": "6.0.16"},
            "Redis at here has version 6.0.16; Toril needs 6.2 or newer, or Valkey",
        ),
        (
            {"maxmemory_policy": "allkeys-lru"},
            "Redis at here may evict jobs (maxmemory-policy allkeys-lru); set it to noeviction",
        ),
        (
            {"cluster_enabled": 1},
            "Redis at here is a cluster, which this version of Toril does not support",
        ),
    ],
)
def test_a_server_that_may_lose_jobs_is_refused(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(RedisMisconfigured) as caught:
        judge_server({**GOOD, **change}, "here")

    assert str(caught.value) == sentence


def test_a_replica_is_refused() -> None:
    with pytest.raises(RedisRefused) as caught:
        judge_server({**GOOD, "role": "slave"}, "here")

    assert str(caught.value) == "Redis at here is a replica; connect to its primary"


def test_an_unknown_scheme_is_refused_without_showing_the_password() -> None:
    with pytest.raises(RedisMisconfigured) as caught:
        connect("http://me:secret@host")

    assert str(caught.value) == (
        "expected redis.url to begin with redis://, rediss://, unix://, got 'http://me:***@host'"
    )


def test_a_url_that_cannot_be_read_is_refused_without_showing_any_of_it() -> None:
    for make in (connect, connect_sync):
        with pytest.raises(RedisMisconfigured, match=r"^redis\.url cannot be read: ") as caught:
            make("redis://me:sec#ret@host:1")

        assert not {"me", "ret@host"} & set(str(caught.value).split())


def test_a_url_without_password_is_shown_as_it_is() -> None:
    assert hide_password("redis://host:6379/0") == "redis://host:6379/0"


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            exceptions.ConnectionError("Connection refused"),
            RedisUnavailable,
            "Redis at redis://h:1 does not answer: Connection refused",
        ),
        (
            exceptions.ConnectionError(
                "Error 111 connecting to h:1. Connect call failed ('h', 1)."
            ),
            RedisUnavailable,
            "Redis at redis://h:1 does not answer: connection refused; "
            "start it, or change redis.url",
        ),
        (
            exceptions.ConnectionError("Error -2 connecting to h:1. Name or service not known."),
            RedisUnavailable,
            "Redis at redis://h:1 does not answer: name or service not known; "
            "start it, or change redis.url",
        ),
        (
            exceptions.BusyLoadingError("Redis is loading"),
            RedisRefused,
            "Redis at redis://h:1 does not run commands now: Redis is loading",
        ),
        (
            exceptions.ResponseError("BUSY Redis is busy running a script"),
            RedisRefused,
            "Redis at redis://h:1 does not run commands now: BUSY Redis is busy running a script",
        ),
        (
            exceptions.ResponseError(
                "ERR Error running script (call to f_1): @user_script:1: @user_script: 1: "
                "-READONLY You can't write against a read only replica."
            ),
            RedisRefused,
            "Redis at redis://h:1 does not run commands now: "
            "READONLY You can't write against a read only replica.",
        ),
        (
            exceptions.ReadOnlyError("You can't write here. script: on @user_script:302."),
            RedisRefused,
            "Redis at redis://h:1 does not run commands now: You can't write here.",
        ),
        (
            exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'"),
            RedisOutOfMemory,
            "Redis at redis://h:1 is out of memory and stores nothing more; raise its maxmemory, "
            "or remove finished jobs",
        ),
        (
            exceptions.NoPermissionError("this user has no permissions to run 'evalsha'"),
            RedisMisconfigured,
            "Redis at redis://h:1 denies access: this user has no permissions to run 'evalsha'",
        ),
    ],
)
def test_errors_of_the_library_become_ours(
    error: Exception, kind: type[Exception], sentence: str
) -> None:
    translated = translate_error(error, connect("redis://:secret@h:1"))

    assert type(translated) is kind
    assert str(translated) == sentence
    assert translated.__cause__ is error


def test_a_fault_of_the_script_stays_as_it_is() -> None:
    error = exceptions.ResponseError("ERR attempt to call a nil value")

    assert translate_error(error, connect("redis://h:1")) is error


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ConnectionError(),
        exceptions.TimeoutError(),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.MasterDownError("Link with MASTER is down"),
        exceptions.BusyLoadingError(),
        exceptions.AuthenticationError("Authentication required."),
        exceptions.ResponseError("UNBLOCKED force unblock from blocking operation"),
        ConnectionResetError(),
    ],
)
def test_a_connection_to_a_server_that_stepped_down_is_dead(error: Exception) -> None:
    assert is_dead_connection(error)


@pytest.mark.parametrize(
    "error",
    [exceptions.ResponseError("BUSY"), exceptions.NoScriptError(), ValueError("READONLY? no")],
)
def test_other_errors_leave_the_connection_alive(error: Exception) -> None:
    assert not is_dead_connection(error)


def test_a_translated_error_is_judged_by_its_cause() -> None:
    error = translate_error(exceptions.ConnectionError("reset"), connect("redis://h:1"))

    assert is_dead_connection(error)


async def test_waiting_for_a_server_ends_with_the_deadline() -> None:
    redis = connect("unix:///nonexistent/redis.sock")

    with pytest.raises(RedisUnavailable, match=r"unix:///nonexistent/redis.sock does not answer"):
        await check_server(redis, within_s=0.2)
    await redis.aclose()


async def test_sending_to_no_server_raises_unavailable(prefix: str) -> None:
    redis = connect("unix:///nonexistent/redis.sock")

    with pytest.raises(RedisUnavailable):
        await AsyncSender(redis).send(Call(None, (), ("PING",), bool))
    await redis.aclose()


@pytest.mark.parametrize("open_client", [connect, connect_sync])
def test_nothing_is_sent_twice_and_blocking_clients_have_no_reply_timeout(open_client) -> None:
    usual = open_client("redis://h").connection_pool.connection_kwargs
    blocking = open_client("redis://h", blocking=True).connection_pool.connection_kwargs

    assert usual["retry"].get_retries() == 0
    assert usual["socket_timeout"] == 10.0
    assert blocking["socket_timeout"] is None


async def test_the_offset_to_a_server_on_this_host_is_small(redis) -> None:
    assert abs(await measure_offset_ms(AsyncSender(redis))) < 1_000
