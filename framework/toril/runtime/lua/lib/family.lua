--- include lib/queue_of
--- include lib/state

-- What one call may do, counted in jobs: to look for one in a list of 2000 counts as another.
local MOST_RELATIVES = 1100

local function cost_of_removing(job_key)
  local q, id = queue_of(job_key)
  if redis.call('EXISTS', job_key) == 0 or set_of(q, id) then
    return 1
  end
  return 1 + (redis.call('LLEN', q.wait) + redis.call('LLEN', q.paused)) / 2000
end

-- Appends the keys that a set, a hash or a sorted set holds.
local function append_members(list, key)
  local kind = redis.call('TYPE', key).ok
  local members = kind == 'set' and redis.call('SMEMBERS', key)
    or kind == 'hash' and redis.call('HKEYS', key)
    or kind == 'zset' and redis.call('ZRANGE', key, 0, -1)
    or {}
  for _, member in ipairs(members) do
    list[#list + 1] = member
  end
end

local function count_children(job_key, only_pending)
  local pending = redis.call('SCARD', job_key .. ':dependencies')
  return only_pending and pending or pending
    + redis.call('HLEN', job_key .. ':processed')
    + redis.call('HLEN', job_key .. ':failed')
    + redis.call('ZCARD', job_key .. ':unsuccessful')
end

local function list_children(job_key, only_pending)
  local children = {}
  append_members(children, job_key .. ':dependencies')
  if not only_pending then
    append_members(children, job_key .. ':processed')
    append_members(children, job_key .. ':failed')
    append_members(children, job_key .. ':unsuccessful')
  end
  return children
end

-- Appends a job and all below it to a list, children before their parents; with `visit`, pending
-- children alone, and only those for which `visit(job_key)` is true. `list.cost` counts along; gives
-- false when the family is too much for one call.
local function append_family(list, job_key, visit)
  if list[job_key] then
    return true
  end
  list[job_key] = true
  list.cost = (list.cost or 0) + cost_of_removing(job_key)
  if list.cost + count_children(job_key, visit ~= nil) > MOST_RELATIVES then
    return false
  end
  for _, child_key in ipairs(list_children(job_key, visit ~= nil)) do
    if (not visit or visit(child_key)) and not append_family(list, child_key, visit) then
      return false
    end
  end
  list[#list + 1] = job_key
  return true
end
