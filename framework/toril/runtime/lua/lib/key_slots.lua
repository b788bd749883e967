--- include lib/parked

-- The place whose limit a job has to wait for, and that limit; nil if it may start. One that comes
-- new waits behind those that wait; one that has waited asks for room alone: under several limits it
-- is first in one line, and would never be first in all.
local function find_full(q, id, keys_json, has_waited, now_ms)
  return visit_keys(q, keys_json, function(place, limit)
    if (not has_waited and first_parked(q, place)) or not has_slot(q, place, limit, id)
      or turn_ms(place, limit, now_ms) > now_ms
    then
      return { place, limit }
    end
  end)
end

-- The keys a job is bound by, as JSON, nil if by none; and whether it has waited for one.
local function find_limit_keys(fields)
  local keys_json, has_waited
  for i = 1, #fields, 2 do
    if fields[i] == 't:k' then
      keys_json = fields[i + 1]
    elseif fields[i] == 't:kp' then
      has_waited = true
    end
  end
  return keys_json, has_waited
end

-- Whether a job has to wait for one of its keys, and was put aside.
local function is_parked(q, id, keys_json, has_waited, now_ms)
  local full = find_full(q, id, keys_json, has_waited, now_ms)
  if full then
    park(q, id, full[1], full[2], now_ms)
  end
  return full ~= nil
end

-- Takes the slots of a job that was just activated (its lock says that it runs); `starts` are counted against the rates.
local function hold_slots(q, id, keys_json, has_waited, now_ms)
  if has_waited then
    redis.call('HDEL', q.base .. id, 't:kp')
  end
  visit_keys(q, keys_json, function(place, limit)
    if limit[1] > 0 then
      redis.call('SADD', place.held, id)
    end
    if limit[2] > 0 then
      local newest = tonumber(redis.call('LINDEX', place.starts, 0)) or 0
      redis.call('LPUSH', place.starts, string.format('%.0f', math.max(now_ms, newest)))
      redis.call('LTRIM', place.starts, 0, limit[2] - 1)
      redis.call('PEXPIRE', place.starts, 2 * limit[3] + 60000)
    end
    wake_first(q, place, limit, now_ms)
  end)
end

-- Gives up the slots of a job that leaves `active`, whatever becomes of it; once is enough.
local function free_slots(q, id, keys_json, now_ms)
  visit_keys(q, keys_json, function(place, limit)
    if redis.call('SREM', place.held, id) == 1 then
      wake_first(q, place, limit, now_ms)
    end
  end)
end

-- Puts aside those in front of the line that have to wait for their keys, so that no key with many
-- jobs stands before the others when the line's turn comes.
local function clear_front(q, most, now_ms)
  for _ = 1, most do
    local id = redis.call('LINDEX', q.wait, -1)
    local fields = id and redis.pcall('HMGET', q.base .. id, 't:k', 't:kp') or {}
    if not fields[1] or not is_parked(q, id, fields[1], fields[2] ~= false, now_ms) then
      return
    end
    redis.call('RPOP', q.wait)
  end
end
