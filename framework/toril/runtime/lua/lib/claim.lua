--- include lib/push
--- include lib/activate
--- include lib/rate_limit

local function has_work(q)
  return redis.call('LLEN', q.wait) > 0 or redis.call('ZCARD', q.prioritized) > 0
end

-- Jobs are taken in portions until one call carries so many bytes; the next call takes the others.
local PORTION, MOST_BYTES = 16, 8 * 1024 * 1024

-- Takes up to n ids out of wait, then out of prioritized.
local function take_ids(q, n)
  local ids = redis.call('RPOP', q.wait, n) or {}
  if #ids < n then
    local popped = redis.call('ZPOPMIN', q.prioritized, n - #ids)
    for i = 1, #popped, 2 do
      ids[#ids + 1] = popped[i]
    end
    if #ids < n then
      redis.call('DEL', q.pc)
    end
  end
  return ids
end

-- Claims up to `wanted` jobs; gives them, and for how long a rate limit holds the rest. An id
-- without a hash is dropped: its job was removed behind our back. So are markers of old versions.
local function claim(q, wanted, owner, now_ms)
  local allowed, limit_ms = allowed_starts(q, owner, wanted, now_ms)
  if limit_ms > 0 then
    return {}, limit_ms
  end
  if is_paused(q) then
    return {}, 0
  end
  local free = q.max_active and math.max(q.max_active - redis.call('LLEN', q.active), 0) or wanted
  local n = math.min(wanted, free, allowed)
  local jobs, active, counted, looked_at, bytes = {}, {}, 0, 0, 0
  while #jobs < n and looked_at < 5000 and bytes < MOST_BYTES do
    local ids = take_ids(q, math.min(n - #jobs, PORTION))
    if #ids == 0 then
      break
    end
    looked_at = looked_at + #ids
    for _, id in ipairs(ids) do
      -- An error (not a hash) has no length either.
      local fields = redis.pcall('HGETALL', q.base .. id)
      if #fields > 0 then
        active[#active + 1] = id
        local job, is_doomed, size = activate(q, id, fields, owner, now_ms)
        jobs[#jobs + 1] = job
        bytes = bytes + size
        counted = counted + (is_doomed and 0 or 1)
      end
    end
  end
  if #jobs > 0 then
    redis.call('LPUSH', q.active, unpack(active))
    count_starts(q, counted, now_ms)
    add_children_results(q, jobs)
  end
  if #jobs == allowed and #jobs < wanted then
    limit_ms = next_start_ms(q, now_ms)
  end
  return jobs, limit_ms
end
