"""The channel between a supervisor and a worker process."""

from __future__ import annotations

import socket

from toril.runner.channel import Channel


async def open_pair() -> tuple[Channel, Channel]:
    ours, theirs = socket.socketpair()
    return await Channel.open(ours), await Channel.open(theirs)


async def test_messages_arrive_in_order_and_end_with_the_sender() -> None:
    ours, theirs = await open_pair()

    ours.send({"do": "one"})
    ours.send({"do": "two", "text": "line\nbreak"})
    ours.close()
    heard = [message async for message in theirs.messages()]

    assert heard == [{"do": "one"}, {"do": "two", "text": "line\nbreak"}]
    theirs.close()


async def test_sending_to_a_process_that_is_gone_is_no_error() -> None:
    ours, theirs = await open_pair()
    theirs.close()

    for _ in range(10):
        ours.send({"do": "x" * 1_000_000})
        await ours.flush()
    ours.close()
    ours.send({"do": "late"})


async def test_what_may_be_lost_is_dropped_while_nobody_reads_and_counted() -> None:
    ours, theirs = await open_pair()
    for _ in range(8):
        ours.send({"say": "x" * 500_000}, may_be_lost=True)
    reading = theirs.messages()
    heard = [await anext(reading) for _ in range(3)]
    await ours.flush()

    ours.send({"say": "last"}, may_be_lost=True)
    ours.close()
    heard += [message async for message in reading]

    assert heard[-1]["say"] == "last"
    assert heard[-1]["lost_before"] + len(heard) - 1 == 8
    theirs.close()


async def test_values_that_are_not_json_are_sent_as_text() -> None:
    ours, theirs = await open_pair()

    ours.send({"error": ValueError("no")})
    ours.close()

    assert [m async for m in theirs.messages()] == [{"error": "ValueError('no')"}]
    theirs.close()


async def test_text_that_utf_8_cannot_hold_does_not_stop_the_sender() -> None:
    ours, theirs = await open_pair()

    ours.send({"error": "half \udc80", "cause": ValueError("no")})
    ours.close()

    heard = [m async for m in theirs.messages()]
    assert heard == [{"error": "half ?", "cause": "ValueError('no')"}]
    theirs.close()
