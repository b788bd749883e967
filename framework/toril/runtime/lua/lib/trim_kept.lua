--- include lib/drop_from_parent

-- Removes finished jobs: their keys, their place in the set, their link to a parent.
local function remove_finished(set, base, ids)
  if #ids == 0 then
    return
  end
  local gone = {}
  for _, id in ipairs(ids) do
    drop_from_parent(base .. id)
    append_job_keys(gone, base .. id)
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
    remove_finished(set, q.base, redis.call('ZREVRANGEBYSCORE', set, last, '-inf', 'LIMIT', 0, 1000))
  end
  if count >= 0 then
    local excess = math.min(redis.call('ZCARD', set) - count, 1000)
    if excess > 0 then
      remove_finished(set, q.base, redis.call('ZRANGE', set, 0, excess - 1))
    end
  end
end
