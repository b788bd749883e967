--- include lib/queue

-- The id of the job that is a scheduler's next tick, or nil when there is no such scheduler.
local function pending_tick(q, scheduler)
  local tick_ms = redis.call('ZSCORE', q.schedulers, scheduler)
  if not tick_ms then
    return nil
  end
  return string.format('repeat:%s:%.0f', scheduler, tonumber(tick_ms)), tonumber(tick_ms)
end
