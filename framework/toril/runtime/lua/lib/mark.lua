--- include lib/settings

local function is_paused(q)
  return settings_of(q).is_paused
end

-- Wakes an idle worker: there may be a job, and as many as the queue allows over all workers are not
-- active yet. Asked again in one call it costs nothing. A call that may claim the job itself sets
-- `defers_marks` and decides at its end.
local function mark(q)
  if q.defers_marks then
    q.wants_mark = true
  elseif not q.is_marked and not is_paused(q) then
    local max_active = settings_of(q).max_active
    if not max_active or redis.call('LLEN', q.active) < max_active then
      q.is_marked = true
      redis.call('ZADD', q.marker, 0, '0')
    end
  end
end

-- Tells idle workers when the next delayed job is due; call it after adding to `delayed`.
local function mark_delay(q)
  local first = redis.call('ZRANGE', q.delayed, 0, 0, 'WITHSCORES')
  if first[2] then
    redis.call('ZADD', q.marker, tonumber(first[2]) / 4096, '1')
  end
end
