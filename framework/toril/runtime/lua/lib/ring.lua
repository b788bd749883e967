--- include lib/key_limits
--- include lib/promoted

-- Adds up to n ids to a list, out of the ring; those that wait for no key any more are passed over.
local function take_from_ring(q, ids, n)
  while n > 0 do
    local popped = redis.call('ZPOPMIN', ring_of(q), n)
    if #popped == 0 then
      return
    end
    for i = 1, #popped, 2 do
      local is_parked = redis.call('HEXISTS', q.base .. popped[i], 't:kp') == 1
      if is_parked and redis.call('ZREM', q.delayed, popped[i]) == 1 then
        tell_promoted(q, popped[i])
        ids[#ids + 1] = popped[i]
        n = n - 1
      end
    end
  end
end
