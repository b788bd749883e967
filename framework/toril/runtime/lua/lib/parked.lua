--- include lib/delay
--- include lib/key_use
--- include lib/key_places
--- include lib/promoted

local HEAL_MS, FAR_MS = 30000, 86400000

-- The first job that waits for a key; those that were removed meanwhile are passed over.
local function first_parked(q, place)
  while true do
    local id = redis.call('LINDEX', place.parked, 0)
    if not id or redis.call('HGET', q.base .. id, 't:kp') == place.name then
      return id
    end
    redis.call('LPOP', place.parked)
  end
end

-- Lets a job start that waited for a key: behind those of its priority, or in the ring behind those
-- whose turn comes before. One that is in the ring stays where it is.
local function release_parked(q, id, now_ms)
  if (tonumber(redis.call('HGET', q.base .. id, 'priority')) or 0) > 0 then
    redis.call('ZREM', q.delayed, id)
    push_promoted(q, id)
    return
  end
  local ring = ring_of(q)
  local last = redis.call('ZREVRANGE', ring, 0, 0, 'WITHSCORES')
  redis.call('ZADD', ring, 'NX', (tonumber(last[2]) or 0) + 1, id)
  delay_until(q, id, now_ms + HEAL_MS)
  mark(q)
end

-- Sees to it that the first job that waits for a key goes on when it may.
local function wake_first(q, place, limit, now_ms)
  local id = first_parked(q, place)
  if not id then
    redis.call('SREM', q.base .. 'meta:t:parked', place.name)
    return
  elseif not redis.call('ZSCORE', q.delayed, id) then
    return
  end
  local due_ms = turn_ms(place, limit, now_ms)
  local is_free = has_slot(q, place, limit, id)
  if is_free and due_ms <= now_ms then
    release_parked(q, id, now_ms)
  else
    delay_until(q, id, is_free and due_ms or now_ms + HEAL_MS)
  end
  q.has_delayed = true
end

-- Puts a job aside that was taken out of line, until it is its turn.
local function park(q, id, place, limit, now_ms)
  local job_key = q.base .. id
  local before = redis.call('HGET', job_key, 't:kp')
  if before ~= place.name then
    redis.call('HSET', job_key, 't:kp', place.name)
    redis.call('RPUSH', place.parked, id)
    redis.call('SADD', q.base .. 'meta:t:parked', place.name)
  end
  redis.call('HSET', job_key, 'delay', FAR_MS)
  delay_until(q, id, now_ms + FAR_MS)
  q.has_delayed = true
  emit(q, 'delayed', 'jobId', id, 'delay', now_ms + FAR_MS)
  wake_first(q, place, limit, now_ms)
  if before and before ~= place.name then
    local left, its_limit = find_place(q, before)
    if left then
      wake_first(q, left, its_limit, now_ms)
    end
  end
end
