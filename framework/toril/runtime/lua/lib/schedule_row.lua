--- include lib/state
--- include lib/pending_tick

-- What is known of a scheduler: {id, next tick in ms, the record's fields, state of the tick's job
-- or 'unknown', when that job was added or false}.
local function schedule_row(q, scheduler)
  local id, next_ms = pending_tick(q, scheduler)
  local added_ms = redis.call('HGET', q.base .. id, 'timestamp')
  return {
    scheduler,
    string.format('%.0f', next_ms),
    redis.call('HGETALL', q.base .. 'repeat:' .. scheduler),
    added_ms and state_of(q, id) or 'unknown',
    added_ms,
  }
end
