--[[
  Removes a job, with its children unless one of them is running.
  BullMQ: removeJob

  KEYS[1] base           of the queue; every other key is built from it, or from the key of a parent
                         or a child
  ARGV[1] id
  ARGV[2] with_children  1 or 0
  Returns how many jobs were removed; 0 when a lock is held; -1 no such job; -8 it is the next tick
          of a scheduler; -12 more children than one call may remove: remove_children first
  Events: removed; waiting of a parent that waited for it alone
]]

--- include lib/family
--- include lib/remove_one
--- include lib/pending_tick

local q = queue_at(KEYS[1])
local id, with_children = ARGV[1], ARGV[2] == '1'
local job_key = q.base .. id

local scheduler = redis.call('HGET', job_key, 'rjk')
if scheduler and pending_tick(q, scheduler) == id then
  return -8
end
local family = { job_key }
if with_children then
  family = {}
  if not append_family(family, job_key) then
    return -12
  end
end
for _, member_key in ipairs(family) do
  if is_locked(member_key) then
    return 0
  end
end
local removed = with_children and remove_all(family) or remove_one(job_key)
return removed > 0 and removed or -1
