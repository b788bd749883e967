--[[
  Adds one job that is ready and belongs to no other: what `add` does, without what only lists need.
  BullMQ: addStandardJob

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] id
  ARGV[2] name
  ARGV[3] data
  ARGV[4] opts
  ARGV[5] timestamp
  Returns 1 if the job was created, 0 if it was there already, as text
  Events: added, waiting, duplicated
]]

--- include lib/store_job
--- include lib/mark

local q = queue_at(KEYS[1])
local id = ARGV[1]
local name = ARGV[2]
local data = ARGV[3]
local opts = ARGV[4]
local timestamp = tonumber(ARGV[5])

redis.call('INCR', q.id)
if redis.call('EXISTS', q.base .. id) == 1 then
  emit(q, 'duplicated', 'jobId', id)
  return '0'
end
store_job(q, {
  id = id, name = name, data = data, opts = opts, timestamp = timestamp, delay = 0, priority = 0,
})
redis.call('LPUSH', q.wait, id)
mark(q)
emit(q, 'waiting', 'jobId', id)
return '1'
