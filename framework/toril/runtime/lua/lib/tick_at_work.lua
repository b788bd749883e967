--- include lib/state
--- include lib/is_job

-- A hash, by scheduler: the tick that began last, and the jobs with which its work ends.
local function ticks_key(q)
  return q.base .. 'meta:t:ticks'
end

local function is_unfinished(base, id)
  local set = set_of(queue_at(base), id)
  return is_job(base .. id) and set ~= 'completed' and set ~= 'failed'
end

-- The tick that began last, unless its work has ended; then nil, as when none has begun.
local function tick_at_work(q, scheduler)
  local begun = redis.call('HGET', ticks_key(q), scheduler)
  if not begun then
    return nil
  end
  local tick, ends = unpack(cmsgpack.unpack(begun))
  for _, job in ipairs(ends) do
    if is_unfinished(job[1], job[2]) then
      return tick
    end
  end
  return nil
end
