--- include lib/queue_of
--- include lib/release_parent

local function fail_by_child(q, id, child_key, now_ms)
  local parent_key = q.base .. id
  redis.call('ZADD', parent_key .. ':unsuccessful', now_ms, child_key)
  if redis.call('EXISTS', parent_key) == 0 then
    return
  end
  local was_waiting = redis.call('ZREM', q.waiting_children, id) == 1
  local was_delayed = not was_waiting and redis.call('ZREM', q.delayed, id) == 1
  if was_waiting or was_delayed or not redis.call('ZSCORE', q.failed, id) then
    redis.call('HSET', parent_key, 'defa', 'child ' .. child_key .. ' failed')
  end
  if was_delayed then
    redis.call('HSET', parent_key, 'delay', 0)
  end
  if was_waiting or was_delayed then
    release_parent(q, id, now_ms)
  end
end

-- Tells a parent that a child failed for good; what follows is the child's flag in `parent` (JSON).
-- Without a flag the parent goes on waiting for the child to be retried or removed.
local function fail_parent(child_key, parent_key, parent, reason, now_ms)
  local is_json, flags = pcall(cjson.decode, parent or '')
  if not is_json or type(flags) ~= 'table' then
    return
  end
  if not (flags.fpof or flags.cpof or flags.idof or flags.rdof)
    or redis.call('SREM', parent_key .. ':dependencies', child_key) == 0
  then
    return
  end
  local q, id = queue_of(parent_key)
  if flags.fpof then
    fail_by_child(q, id, child_key, now_ms)
  elseif flags.cpof then
    redis.call('HSET', parent_key .. ':failed', child_key, reason)
    if redis.call('EXISTS', parent_key) == 1
      and redis.call('ZREM', q.waiting_children, id) == 1
    then
      release_parent(q, id, now_ms)
    end
  else
    release_if_done(parent_key, now_ms)
    if flags.idof then
      redis.call('HSET', parent_key .. ':failed', child_key, reason)
    end
  end
end
