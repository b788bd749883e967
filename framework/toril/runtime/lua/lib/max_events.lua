--- include lib/settings

-- The cap of the events stream; stores BullMQ's default where none, or no number, is set.
local function max_events(q)
  local settings = settings_of(q)
  if not settings.max_events then
    settings.max_events = 10000
    redis.call('HSET', q.meta, 'opts.maxLenEvents', '10000')
  end
  return settings.max_events
end
