-- Removes the oldest completed jobs beyond so many, at most 1000.
local function trim_plain(base, keep)
  local completed = base .. 'completed'
  local excess = math.min(redis.call('ZCARD', completed) - keep, 1000)
  local gone, keys = excess > 0 and redis.call('ZPOPMIN', completed, excess) or {}, {}
  for at = 1, #gone, 2 do
    local key, n = base .. gone[at], #keys
    keys[n + 1], keys[n + 2], keys[n + 3] = key, key .. ':logs', key .. ':dependencies'
    keys[n + 4], keys[n + 5], keys[n + 6] =
      key .. ':processed', key .. ':failed', key .. ':unsuccessful'
    if n >= 594 then
      redis.call('DEL', unpack(keys))
      keys = {}
    end
  end
  if #keys > 0 then
    redis.call('DEL', unpack(keys))
  end
end

-- Writes down the completions of a plain round; gives a code for each.
local function settle_plain(base, now, outcomes, known)
  local active, events, count = base .. 'active', base .. 'events', #outcomes
  -- Most often it is those that were active longest that end, and leave together.
  local oldest, left = {}, {}
  if count > 1 then
    for _, id in ipairs(redis.call('LRANGE', active, -count, -1)) do
      oldest[id] = true
    end
  end
  local codes, settled, members = {}, {}, {}
  for i, outcome in ipairs(outcomes) do
    local id, result = outcome[2], outcome[4]
    local is_active = oldest[id]
    if is_active then
      oldest[id] = false
      left[#left + 1] = id
    elseif is_active == nil then
      is_active = redis.call('LREM', active, -1, id) == 1
    end
    codes[i] = is_active and 0 or -3
    if is_active then
      redis.call('HSET', base .. id, 'atm', known.made[i], 'returnvalue', result, 'finishedOn', now)
      redis.call('XADD', events, '*', 'event', 'completed', 'jobId', id, 'returnvalue', result,
        'prev', 'active')
      local n = #settled
      settled[n + 1] = id
      members[2 * n + 1], members[2 * n + 2] = now, id
    end
  end
  redis.call('DEL', unpack(known.locks))
  if #left == count then
    redis.call('LTRIM', active, 0, -count - 1)
  else
    for _, id in ipairs(left) do
      redis.call('LREM', active, -1, id)
    end
  end
  if #settled > 0 then
    redis.call('SREM', base .. 'stalled', unpack(settled))
    redis.call('ZADD', base .. 'completed', unpack(members))
    if outcomes[1][5] > 0 then
      trim_plain(base, outcomes[1][5])
    end
  end
  return codes
end
