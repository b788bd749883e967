--- include lib/plain_reads
--- include lib/plain_settle

-- A call in which nothing is special: jobs completed that no other job waits for, as many wait as are
-- wanted, nothing limits the queue. Three long functions of its own, for all the functions and tables
-- that the rest makes take as long as the commands do. All is read before anything is written: gives
-- nil, and has changed nothing, when something is special after all; else the codes and the claimed
-- jobs. Most is as text, `now` too: to write a number as text takes as long as a short command.
local function play_plain_round(base, now, owner, wanted, outcomes)
  if wanted == 0 or owner.minutes > 0 or owner.max then
    return nil
  end
  -- One more than wanted tells whether others are left.
  local waiting = redis.call('LRANGE', base .. 'wait', -wanted - 1, -1)
  local jobs, known
  if #waiting >= wanted then
    jobs, known = read_plain_jobs(base, now, owner, wanted, outcomes, waiting)
  end
  if not jobs then
    return nil
  end

  local events, active = base .. 'events', {}
  redis.call('XTRIM', events, 'MAXLEN', '~', known.max_events)
  local codes = #outcomes > 0 and settle_plain(base, now, outcomes, known) or {}
  redis.call('LTRIM', base .. 'wait', 0, -wanted - 1)
  for i, job in ipairs(jobs) do
    local id, key = job[1], base .. job[1]
    local started = job[3] == 1 and '1' or string.format('%.0f', job[3])
    local mark = owner.token .. '#' .. started
    active[i] = id
    redis.call('SET', key .. ':lock', owner.token, 'PX', owner.lock_ms)
    redis.call('XADD', events, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
    if owner.worker ~= '' then
      redis.call('HSET', key, 'processedOn', now, 'ats', started, 't:o', mark, 'pb', owner.worker)
    else
      redis.call('HSET', key, 'processedOn', now, 'ats', started, 't:o', mark)
    end
  end
  redis.call('LPUSH', base .. 'active', unpack(active))
  if #waiting > wanted or redis.call('ZCARD', base .. 'prioritized') > 0 then
    redis.call('ZADD', base .. 'marker', '0', '0')
  end
  return codes, jobs
end
