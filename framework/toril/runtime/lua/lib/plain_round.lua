-- Bytes of jobs that one call carries at most; the next call takes the others.
local MOST_BYTES = 8 * 1024 * 1024

-- A call in which nothing is special: jobs completed that no other job waits for, as many wait as are
-- wanted, nothing limits the queue. Written out in one piece, for the functions and tables that the
-- rest makes take as long as the commands do. All is read before anything is written: gives nil, and
-- has changed nothing, when something is special after all; else the codes and the claimed jobs. Most
-- is as text, `now` too: to write a number as text takes as long as a short command.
local function play_plain_round(base, now, owner, wanted, outcomes)
  if wanted == 0 or owner.minutes > 0 or owner.max then
    return nil
  end
  -- One more than wanted tells whether others are left.
  local waiting = redis.call('LRANGE', base .. 'wait', -wanted - 1, -1)
  if #waiting < wanted then
    return nil
  end
  local token, count = owner.token, #outcomes
  local set = redis.call('HMGET', base .. 'meta', 'opts.maxLenEvents', 'paused', 'concurrency', 'max',
    'duration', 't:k')
  if not tonumber(set[1]) or set[2] or set[3] or set[4] or set[5] or set[6] then
    return nil
  end
  local last_due = (now + 1) * 4096 - 1
  if redis.call('ZRANGEBYSCORE', base .. 'delayed', '-inf', last_due, 'LIMIT', 0, 1)[1] then
    return nil
  end

  -- What would make a job special: children, or a counter of starts beside them.
  local special, locks = { base .. 'limiter' }, {}
  local keep = outcomes[1] and outcomes[1][5]
  for i, outcome in ipairs(outcomes) do
    local key = base .. outcome[2]
    locks[i] = key .. ':lock'
    special[2 * i], special[2 * i + 1] = key .. ':dependencies', key .. ':unsuccessful'
    -- Completed, and kept as all others are, by number alone.
    if outcome[1] ~= 1 or outcome[5] ~= keep or keep == 0 or outcome[6] >= 0 then
      return nil
    end
  end
  -- Before the jobs that wait are read, which is most of the work: children of a flow end here.
  local made = {}
  if count > 0 then
    for i, lock in ipairs(redis.call('MGET', unpack(locks))) do
      local outcome = outcomes[i]
      local known = lock == token
        and redis.pcall('HMGET', base .. outcome[2], 'ats', 'atm', 'parentKey', 'deid')
      if not known or not known[1] or (known[3] or '') ~= '' or (known[4] or '') ~= ''
        or outcome[3] > 0 and outcome[3] ~= tonumber(known[1])
      then
        return nil
      end
      made[i] = known[2] and known[2] ~= '0' and (tonumber(known[2]) or 0) + 1 or '1'
    end
  end
  local n, bytes, jobs, ids = #special, 0, {}, {}
  for i = 1, wanted do
    -- The last of the list has waited longest.
    local id = waiting[#waiting + 1 - i]
    local key = base .. id
    local fields = redis.pcall('HGETALL', key)
    local started = 1
    for at = 2, #fields, 2 do
      bytes = bytes + #fields[at]
      if fields[at - 1] == 'ats' then
        started = (tonumber(fields[at]) or 0) + 1
      end
    end
    if #fields == 0 or bytes > MOST_BYTES then
      return nil
    end
    ids[i], jobs[i] = id, { id, fields, started, false }
    special[n + i] = key .. ':processed'
  end
  if redis.call('EXISTS', unpack(special)) > 0 then
    return nil
  end

  local active, events = base .. 'active', base .. 'events'
  redis.call('XTRIM', events, 'MAXLEN', '~', set[1])
  local codes = {}
  if count > 0 then
    -- Most often it is those that were active longest that end, and leave together.
    local oldest, left = {}, {}
    if count > 1 then
      for _, id in ipairs(redis.call('LRANGE', active, -count, -1)) do
        oldest[id] = true
      end
    end
    local settled, members = {}, {}
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
        redis.call('HSET', base .. id, 'atm', made[i], 'returnvalue', result, 'finishedOn', now)
        redis.call('XADD', events, '*', 'event', 'completed', 'jobId', id, 'returnvalue', result,
          'prev', 'active')
        local m = #settled
        settled[m + 1] = id
        members[2 * m + 1], members[2 * m + 2] = now, id
      end
    end
    redis.call('DEL', unpack(locks))
    if #left == count then
      redis.call('LTRIM', active, 0, -count - 1)
    else
      for _, id in ipairs(left) do
        redis.call('LREM', active, -1, id)
      end
    end
    if #settled > 0 then
      redis.call('SREM', base .. 'stalled', unpack(settled))
      local completed = base .. 'completed'
      redis.call('ZADD', completed, unpack(members))
      local excess = keep > 0 and math.min(redis.call('ZCARD', completed) - keep, 1000) or 0
      if excess > 0 then
        local gone, keys = redis.call('ZPOPMIN', completed, excess), {}
        for at = 1, #gone, 2 do
          local key, k = base .. gone[at], #keys
          keys[k + 1], keys[k + 2], keys[k + 3] = key, key .. ':logs', key .. ':dependencies'
          keys[k + 4], keys[k + 5], keys[k + 6] =
            key .. ':processed', key .. ':failed', key .. ':unsuccessful'
          if k >= 594 then
            redis.call('DEL', unpack(keys))
            keys = {}
          end
        end
        if #keys > 0 then
          redis.call('DEL', unpack(keys))
        end
      end
    end
  end

  redis.call('LTRIM', base .. 'wait', 0, -wanted - 1)
  redis.call('LPUSH', active, unpack(ids))
  for i, id in ipairs(ids) do
    local key, started = base .. id, jobs[i][3]
    started = started == 1 and '1' or string.format('%.0f', started)
    redis.call('SET', key .. ':lock', token, 'PX', owner.lock_ms)
    redis.call('XADD', events, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
    local mark = token .. '#' .. started
    if owner.worker ~= '' then
      redis.call('HSET', key, 'processedOn', now, 'ats', started, 't:o', mark, 'pb', owner.worker)
    else
      redis.call('HSET', key, 'processedOn', now, 'ats', started, 't:o', mark)
    end
  end
  if #waiting > wanted or redis.call('ZCARD', base .. 'prioritized') > 0 then
    redis.call('ZADD', base .. 'marker', '0', '0')
  end
  return codes, jobs
end
