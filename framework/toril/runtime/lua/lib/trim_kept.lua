--- include lib/job_keys

-- Removes finished jobs: their keys, their place in the set, and of failed ones the link to a parent
-- that may still wait for them.
local function remove_finished(q, set, ids)
  if #ids == 0 then
    return
  elseif set == q.failed then
    --- include lib/drop_from_parent
    for _, id in ipairs(ids) do
      drop_from_parent(q.base .. id)
    end
  end
  local gone = {}
  for _, id in ipairs(ids) do
    append_job_keys(gone, q.base .. id)
    if #gone >= 600 then
      redis.call('DEL', unpack(gone))
      gone = {}
    end
  end
  if #gone > 0 then
    redis.call('DEL', unpack(gone))
  end
  redis.call('ZREM', set, unpack(ids))
end

-- Applies a keep rule to `completed` or `failed`; a count or age below 0 sets no bound. At most 1000
-- by age and 1000 by count go in one call, so that a smaller rule cannot hold the server up.
local function trim_kept(q, set, count, age_ms, now_ms)
  if age_ms >= 0 then
    local last = now_ms - age_ms
    remove_finished(q, set, redis.call('ZREVRANGEBYSCORE', set, last, '-inf', 'LIMIT', 0, 1000))
  end
  if count >= 0 then
    local excess = math.min(redis.call('ZCARD', set) - count, 1000)
    if excess > 0 then
      remove_finished(q, set, redis.call('ZRANGE', set, 0, excess - 1))
    end
  end
end
