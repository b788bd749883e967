--- include lib/key_limits
--- include lib/keyed

local function has_work(q)
  return redis.call('LLEN', q.wait) > 0
    or redis.call('ZCARD', q.prioritized) > 0
    or (key_limits(q) ~= nil and redis.call('ZCARD', ring_of(q)) > 0)
end

-- Adds up to n ids to a list, out of wait, then out of prioritized.
local function take_waiting(q, ids, n)
  local waiting = redis.call('RPOP', q.wait, n) or {}
  local missing = n - #waiting
  for _, id in ipairs(waiting) do
    ids[#ids + 1] = id
  end
  if missing > 0 then
    local popped = redis.call('ZPOPMIN', q.prioritized, missing)
    for i = 1, #popped, 2 do
      ids[#ids + 1] = popped[i]
    end
    if #popped < 2 * missing then
      redis.call('DEL', q.pc)
    end
  end
end

-- Takes up to n ids; those of the ring come first, gives how many they are. The ring and the line of
-- all others start as many each, by turns: `ahead` is how many more the ring has started.
local function take_ids(q, n, ahead)
  local ids = {}
  if not key_limits(q) then
    take_waiting(q, ids, n)
    return ids, 0
  end
  local take_from_ring = keyed().take_from_ring
  take_from_ring(q, ids, math.max(math.min(math.ceil((n - ahead) / 2), n), 0))
  local waiting = {}
  take_waiting(q, waiting, n - #ids)
  take_from_ring(q, ids, n - #ids - #waiting)
  local of_ring = #ids
  for _, id in ipairs(waiting) do
    ids[#ids + 1] = id
  end
  return ids, of_ring
end
