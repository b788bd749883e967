--- include lib/queue

-- What is set for a queue in its `meta`, read once per call: is_paused; max_active; rate_max and
-- rate_duration; limits_json, those of each key; max_events.
local function settings_of(q)
  if not q.settings then
    local stored = redis.call('HMGET', q.meta, 'paused', 'concurrency', 'max', 'duration', 't:k',
      'opts.maxLenEvents')
    q.settings = {
      is_paused = stored[1] ~= false,
      max_active = tonumber(stored[2]),
      rate_max = tonumber(stored[3]),
      rate_duration = tonumber(stored[4]),
      limits_json = stored[5],
      max_events = tonumber(stored[6]),
    }
  end
  return q.settings
end
