--[[
  Makes a job that is somebody's child a job by itself.
  BullMQ: removeChildDependency

  KEYS[1] base           of the child's queue; every other key is built from it, or from its parent's
  ARGV[1] id
  Returns 1, or 0 when it is no child; -1 no such job; -5 its parent does not exist
  Events: waiting of a parent that waited for it alone
]]

--- include lib/drop_from_parent

local q = queue_at(KEYS[1])
local id = ARGV[1]
local job_key = q.base .. id

if redis.call('EXISTS', job_key) == 0 then
  return -1
end
local parent_key = redis.call('HGET', job_key, 'parentKey')
if not parent_key or parent_key == '' then
  return 0
end
if redis.call('EXISTS', parent_key) == 0 then
  return -5
end
local was_pending = redis.call('SISMEMBER', parent_key .. ':dependencies', job_key)
drop_from_parent(job_key)
if was_pending == 1 then
  redis.call('HDEL', job_key, 'parentKey', 'parent', 't:n')
end
return was_pending
