--- include lib/queue

-- The cap of the events stream; stores BullMQ's default where none, or no number, is set.
local function max_events(q)
  if not q.max_events then
    q.max_events = tonumber(redis.call('HGET', q.meta, 'opts.maxLenEvents'))
    if not q.max_events then
      q.max_events = 10000
      redis.call('HSET', q.meta, 'opts.maxLenEvents', '10000')
    end
  end
  return q.max_events
end
