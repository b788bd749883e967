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
local family = {}
if with_children and not append_family(family, job_key) then
  return -12
end
if is_locked(job_key) then
  return 0
end
for _, member_key in ipairs(family) do
  if is_locked(member_key) then
    return 0
  end
end
-- The job comes last, by its id: where that holds colons (a schedule's tick), its key does not tell it.
local removed = 0
if with_children then
  family[#family] = nil
  redis.call('UNLINK', job_key .. ':dependencies')
  removed = remove_all(family)
end
removed = removed + remove_one(q, id)
return removed > 0 and removed or -1
