"""Connections: opening them, checking the server behind them, judging their errors."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from typing import Any, Protocol

import redis as sync_redis
import redis.asyncio as async_redis
from redis import exceptions
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry
from tenacity import (
    AsyncRetrying,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential,
    wait_random,
)

from toril.declarations.redis_url import SCHEMES, explain_bad_url
from toril.errors import (
    ClientClosed,
    RedisMisconfigured,
    RedisOutOfMemory,
    RedisRefused,
    RedisUnavailable,
    TorilError,
)
from toril.runtime.call import Call

_TIME: Call[Any] = Call(None, (), ("TIME",), tuple)

AnyRedis = async_redis.Redis | sync_redis.Redis

MIN_VERSION = (6, 2)
#: An answer that takes longer means that nobody is there any more.
REPLY_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
#: redis-py fails what comes beyond its own 100; calls at once, and queues served, may be more.
MAX_CONNECTIONS = 10_000

#: What sending a command may raise.
REDIS_ERRORS = (exceptions.RedisError, OSError)

#: The server is up but does not run commands now; nothing was done.
_REFUSED = (
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    exceptions.TryAgainError,
)
_REFUSED_CODES = re.compile(
    r"^(?:BUSY|MISCONF|NOREPLICAS|UNBLOCKED|LOADING|MASTERDOWN|TRYAGAIN|READONLY|CLUSTERDOWN)\b"
)
_DEAD_CODES = re.compile(r"^(?:READONLY|MASTERDOWN|UNBLOCKED|LOADING|NOAUTH)\b")
#: Redis 6.2 wraps the errors of commands inside a script: "ERR Error running script ...: -CODE".
_WRAPPED_CODE = re.compile(r"Error running script.*-([A-Z]+ .*)", re.DOTALL)
#: How redis-py words it: "Error 111 connecting to localhost:6379. Connection refused."
_NOT_CONNECTED = re.compile(r"Error (-?\d+) connecting to \S+\. (.*?)\.?$")


def connect(url: str, *, blocking: bool = False, name: str | None = None) -> async_redis.Redis:
    """Opens an asyncio client; the first command connects it.

    `blocking`: for commands that wait at the server. It has no reply timeout, the caller sets a
    deadline of its own. `name` is what CLIENT LIST shows.
    """
    options = _options(blocking=blocking, name=name)
    return async_redis.Redis.from_url(_known(url), retry=AsyncRetry(NoBackoff(), 0), **options)


def connect_sync(url: str, *, blocking: bool = False, name: str | None = None) -> sync_redis.Redis:
    """Opens a blocking client; the first command connects it."""
    options = _options(blocking=blocking, name=name)
    return sync_redis.Redis.from_url(_known(url), retry=Retry(NoBackoff(), 0), **options)


def _options(*, blocking: bool, name: str | None) -> dict[str, Any]:
    # redis-py's own retries would send a script twice, its default reply timeout of 5 s would cut
    # blocking commands short.
    return {
        "socket_timeout": None if blocking else REPLY_TIMEOUT_S,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "max_connections": MAX_CONNECTIONS,
        "client_name": name,
        "protocol": 2,
        "decode_responses": False,
    }


def _known(url: str) -> str:
    if not url.startswith(SCHEMES):
        raise RedisMisconfigured(
            f"expected redis.url to begin with {', '.join(SCHEMES)}, got {hide_password(url)!r}"
        )
    reason = explain_bad_url(url)
    if reason is not None:
        raise RedisMisconfigured(f"redis.url cannot be read: {reason}")
    return url


def hide_password(url: str) -> str:
    """The URL as it may be shown."""
    return re.sub(r"(//[^/@]*:)[^/@]*@", r"\1***@", url)


def format_address(redis: AnyRedis) -> str:
    """Where a client connects to, without its password."""
    kwargs = redis.connection_pool.connection_kwargs
    if kwargs.get("path"):
        return f"unix://{kwargs['path']}"
    scheme = (
        "rediss" if "ssl" in redis.connection_pool.connection_class.__name__.lower() else "redis"
    )
    return f"{scheme}://{kwargs.get('host', 'localhost')}:{kwargs.get('port', 6379)}"


def translate_error(error: Exception, redis: AnyRedis) -> Exception:
    """Turns redis-py's error into Toril's; what is a fault of ours stays as it is."""
    where = format_address(redis)
    text = _unwrap(error)
    result: Exception
    if isinstance(error, exceptions.OutOfMemoryError) or text.startswith("OOM"):
        result = RedisOutOfMemory(
            f"Redis at {where} is out of memory and stores nothing more; raise its maxmemory, or "
            "remove finished jobs"
        )
    elif isinstance(error, _REFUSED) or _REFUSED_CODES.match(text):
        result = RedisRefused(f"Redis at {where} does not run commands now: {text}")
    elif isinstance(error, exceptions.AuthenticationError | exceptions.NoPermissionError):
        result = RedisMisconfigured(f"Redis at {where} denies access: {text}")
    elif isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        result = RedisUnavailable(f"Redis at {where} does not answer: {_word_failure(text)}")
    else:
        return error
    result.__cause__ = error
    return result


def _word_failure(text: str) -> str:
    """Says why no connection was made, without the address once more, and what to do."""
    failed = _NOT_CONNECTED.match(text)
    if failed is None:
        return text
    reason = os.strerror(int(failed[1])) if int(failed[1]) > 0 else failed[2]
    return f"{reason[:1].lower()}{reason[1:]}; start it, or change redis.url"


def is_dead_connection(error: BaseException) -> bool:
    """Whether the connection must be thrown away: its server is gone, or is no primary any more."""
    if isinstance(error, TorilError) and error.__cause__ is not None:
        return is_dead_connection(error.__cause__)
    if isinstance(error, exceptions.ConnectionError | exceptions.TimeoutError | OSError):
        return True
    if isinstance(error, exceptions.ReadOnlyError | exceptions.MasterDownError):
        return True
    if not isinstance(error, exceptions.ResponseError):
        return False
    return _DEAD_CODES.match(_unwrap(error)) is not None


def _unwrap(error: Exception) -> str:
    wrapped = _WRAPPED_CODE.search(str(error))
    # Newer servers add where in the script it was, which says nothing to whoever reads it.
    return wrapped.group(1) if wrapped else str(error).split(" script: ")[0]


def is_temporary(error: BaseException) -> bool:
    """Whether the same call may succeed later without anyone changing anything but the server."""
    lasting = (RedisMisconfigured, ClientClosed)
    return isinstance(error, RedisUnavailable) and not isinstance(error, lasting)


async def check_server(redis: async_redis.Redis, *, within_s: float = 0.0) -> None:
    """Raises unless the server can hold jobs; waits up to `within_s` for one that is starting."""
    async for attempt in AsyncRetrying(**_waiting(within_s)):
        with attempt:
            judge_server(await _read_info(redis), format_address(redis))


async def _read_info(redis: async_redis.Redis) -> Mapping[str, Any]:
    try:
        await redis.ping()
        return await redis.info()
    except exceptions.NoPermissionError:
        return {}
    except REDIS_ERRORS as error:
        raise translate_error(error, redis) from error


def check_server_sync(redis: sync_redis.Redis, *, within_s: float = 0.0) -> None:
    """Raises unless the server can hold jobs; waits up to `within_s` for one that is starting."""
    for attempt in Retrying(**_waiting(within_s)):
        with attempt:
            judge_server(_read_info_sync(redis), format_address(redis))


def _read_info_sync(redis: sync_redis.Redis) -> Mapping[str, Any]:
    try:
        redis.ping()
        return redis.info()
    except exceptions.NoPermissionError:
        return {}
    except REDIS_ERRORS as error:
        raise translate_error(error, redis) from error


def _waiting(within_s: float) -> dict[str, Any]:
    return {
        "stop": stop_after_delay(within_s),
        "wait": wait_exponential(multiplier=0.05, max=1.0) + wait_random(0, 0.05),
        "retry": retry_if_exception(is_temporary),
        "reraise": True,
    }


def judge_server(info: Mapping[str, Any], where: str) -> None:
    """Raises RedisMisconfigured, with what to do, for a server that cannot hold jobs safely.

    What INFO does not tell (some accounts may not ask) is taken to be right.
    """
    version = str(info.get("redis_version", "7.0"))
    if tuple(int(part) for part in version.split(".")[:2]) < MIN_VERSION:
        raise RedisMisconfigured(
            f"Redis at {where} has version {version}; Toril needs 6.2 or newer, or Valkey"
        )
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise RedisMisconfigured(
            f"Redis at {where} may evict jobs (maxmemory-policy {policy}); set it to noeviction"
        )
    if info.get("cluster_enabled"):
        raise RedisMisconfigured(
            f"Redis at {where} is a cluster, which this version of Toril does not support"
        )
    if info.get("role", "master") != "master":
        raise RedisRefused(f"Redis at {where} is a replica; connect to its primary")


class CanSend(Protocol):
    """A sender."""

    async def send(self, call: Call[Any]) -> Any: ...


async def measure_offset_ms(sender: CanSend, *, samples: int = 5) -> int:
    """How far the server's clock is ahead of this host's; the quickest of a few answers counts."""
    answers = []
    for _ in range(samples):
        before_ns = time.time_ns()
        answer = await sender.send(_TIME)
        answers.append((before_ns, answer, time.time_ns()))
    return _choose_offset_ms(answers)


def measure_offset_ms_sync(redis: sync_redis.Redis, *, samples: int = 5) -> int:
    """How far the server's clock is ahead of this host's; the quickest of a few answers counts."""
    answers = []
    for _ in range(samples):
        before_ns = time.time_ns()
        try:
            answer = redis.time()
        except REDIS_ERRORS as error:
            raise translate_error(error, redis) from error
        answers.append((before_ns, answer, time.time_ns()))
    return _choose_offset_ms(answers)


def _choose_offset_ms(answers: list[tuple[int, Any, int]]) -> int:
    before_ns, (seconds, micros), after_ns = min(answers, key=lambda a: a[2] - a[0])
    server_ns = int(seconds) * 1_000_000_000 + int(micros) * 1_000
    return round((server_ns - (before_ns + after_ns) // 2) / 1_000_000)
