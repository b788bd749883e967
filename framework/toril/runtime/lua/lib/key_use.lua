--- include lib/key_limits

-- Forgets slots of jobs that do not run any more, whose release was lost.
local function forget_gone(q, place)
  for _, id in ipairs(redis.call('SMEMBERS', place.held)) do
    if redis.call('EXISTS', q.base .. id .. ':lock') == 0 and not redis.call('LPOS', q.active, id) then
      redis.call('SREM', place.held, id)
    end
  end
end

local function has_slot(q, place, limit, id)
  if limit[1] == 0 or redis.call('SCARD', place.held) < limit[1]
    or redis.call('SISMEMBER', place.held, id) == 1
  then
    return true
  end
  q.forgotten = q.forgotten or {}
  if not q.forgotten[place.name] then
    q.forgotten[place.name] = true
    forget_gone(q, place)
  end
  return redis.call('SCARD', place.held) < limit[1]
end

-- When the rate lets the next job start: now, or later.
local function turn_ms(place, limit, now_ms)
  if limit[2] == 0 then
    return now_ms
  end
  local oldest = tonumber(redis.call('LINDEX', place.starts, limit[2] - 1))
  return oldest and math.max(oldest + limit[3], now_ms) or now_ms
end
