--- include lib/max_events

-- Trims the events stream, once per call and before its own events are added.
local function trim_events(q)
  if not q.events_trimmed then
    q.events_trimmed = true
    redis.call('XTRIM', q.events, 'MAXLEN', '~', max_events(q))
  end
end

-- Adds an event; what follows the name are field, value, field, value...
local function emit(q, event, ...)
  trim_events(q)
  redis.call('XADD', q.events, '*', 'event', event, ...)
end
