--- include lib/mark
--- include lib/take_ids
--- include lib/activate
--- include lib/rate
--- include lib/keyed

-- Claims up to `wanted` jobs; gives them, and for how long a rate limit holds the rest. An id
-- without a hash is dropped: its job was removed behind our back. So are markers of old versions.
local function claim(q, wanted, owner, now_ms)
  -- Jobs are taken in portions until one call carries so many bytes; the next call takes the others.
  local portion_size, most_bytes = 16, 8 * 1024 * 1024
  -- Of a queue with limits per key so many jobs are looked at in one call, and so many put aside after.
  local most_keyed, most_cleared = 320, 64
  local rate = find_rate(q, owner)
  local allowed, limit_ms = wanted, 0
  if rate then
    allowed, limit_ms = rate.allowed_starts(wanted, now_ms)
  end
  if limit_ms > 0 or is_paused(q) then
    return {}, limit_ms
  end
  local max_active = settings_of(q).max_active
  local free = max_active and math.max(max_active - redis.call('LLEN', q.active), 0) or wanted
  local n = math.min(wanted, free, allowed)
  local jobs, active, counted, looked_at, bytes = {}, {}, 0, 0, 0
  local limits = key_limits(q)
  local most = limits and most_keyed or 5000
  local was_ahead = limits and tonumber(redis.call('HGET', q.meta, 't:kt')) or 0
  local ahead = was_ahead
  while #jobs < n and looked_at < most and bytes < most_bytes do
    local portion = math.min(n - #jobs, portion_size)
    local ids, of_ring = take_ids(q, portion, ahead)
    looked_at = looked_at + #ids
    -- Those that are put aside must not keep others waiting: another call goes on behind them.
    q.wants_mark = q.wants_mark or looked_at >= most
    for i, id in ipairs(ids) do
      -- An error (not a hash) has no length either.
      local fields = redis.pcall('HGETALL', q.base .. id)
      local limit_keys, has_waited
      if limits then
        limit_keys, has_waited = keyed().find_limit_keys(fields)
      end
      if #fields > 0 and not (limit_keys and keyed().is_parked(q, id, limit_keys, has_waited, now_ms)) then
        active[#active + 1] = id
        local job, is_doomed, size = activate(q, id, fields, owner, now_ms)
        jobs[#jobs + 1] = job
        bytes = bytes + size
        counted = counted + (is_doomed and 0 or 1)
        if limit_keys then
          keyed().hold_slots(q, id, limit_keys, has_waited, now_ms)
        end
        ahead = ahead + (i <= of_ring and 1 or -1)
      end
    end
    if #ids < portion then
      break
    end
  end
  if #jobs > 0 then
    redis.call('LPUSH', q.active, unpack(active))
    if rate then
      rate.count_starts(counted, now_ms)
    end
    add_children_results(q, jobs)
    ahead = limits and math.max(math.min(ahead, 1), 0) or was_ahead
    if ahead ~= was_ahead then
      redis.call('HSET', q.meta, 't:kt', ahead)
    end
  end
  if limits then
    keyed().clear_front(q, most_cleared, now_ms)
  end
  if #jobs == allowed and #jobs < wanted then
    limit_ms = rate.next_start_ms(now_ms)
  end
  return jobs, limit_ms
end
