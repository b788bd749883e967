--- include lib/release_parent

-- Gives a parent its child's result.
local function complete_in_parent(child_key, parent_key, result, now_ms)
  if redis.call('SREM', parent_key .. ':dependencies', child_key) == 1 then
    redis.call('HSET', parent_key .. ':processed', child_key, result)
    release_if_done(parent_key, now_ms)
  end
end
