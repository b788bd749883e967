-- Bytes of jobs that one call carries at most; the next call takes the others.
local MOST_BYTES = 8 * 1024 * 1024

-- The jobs that a plain round claims, {id, fields, attempts started, false} each, and what it has to
-- know beside them: `max_events`; `locks`, the keys of the outcomes' locks; `made`, the attempts of
-- each with this one. Nil where something is special.
local function read_plain_jobs(base, now, owner, wanted, outcomes, waiting)
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
  for i, outcome in ipairs(outcomes) do
    local key = base .. outcome[2]
    locks[i] = key .. ':lock'
    special[2 * i], special[2 * i + 1] = key .. ':dependencies', key .. ':unsuccessful'
    -- Completed, and kept as all others are, by number alone.
    if outcome[1] ~= 1 or outcome[5] ~= outcomes[1][5] or outcome[5] == 0 or outcome[6] >= 0 then
      return nil
    end
  end
  -- Before the jobs that wait are read, which is most of the work: children of flows end here.
  local made = {}
  for i, lock in ipairs(#locks > 0 and redis.call('MGET', unpack(locks)) or {}) do
    local outcome = outcomes[i]
    local known = lock == owner.token
      and redis.pcall('HMGET', base .. outcome[2], 'ats', 'atm', 'parentKey', 'deid')
    if not known or not known[1] or (known[3] or '') ~= '' or (known[4] or '') ~= ''
      or outcome[3] > 0 and outcome[3] ~= tonumber(known[1])
    then
      return nil
    end
    made[i] = known[2] and known[2] ~= '0' and (tonumber(known[2]) or 0) + 1 or '1'
  end
  local n, bytes, jobs = #special, 0, {}
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
    jobs[i] = { id, fields, started, false }
    special[n + i] = key .. ':processed'
  end
  if redis.call('EXISTS', unpack(special)) > 0 then
    return nil
  end
  return jobs, { max_events = set[1], locks = locks, made = made }
end
