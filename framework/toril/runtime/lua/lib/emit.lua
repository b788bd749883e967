--- include lib/settings

-- Trims the events stream, once per call and before its own events are added. Where no cap, or no
-- number, is set, BullMQ's default is stored.
local function trim_events(q)
  if not q.events_trimmed then
    q.events_trimmed = true
    local max_events = settings_of(q).max_events
    if not max_events then
      max_events = 10000
      redis.call('HSET', q.meta, 'opts.maxLenEvents', '10000')
    end
    redis.call('XTRIM', q.events, 'MAXLEN', '~', max_events)
  end
end

-- Adds an event; what follows the name are field, value, field, value...
local function emit(q, event, ...)
  trim_events(q)
  redis.call('XADD', q.events, '*', 'event', event, ...)
end
