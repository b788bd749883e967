--[[
  Lists the jobs of one state, a page at a time; ids without a job are passed over.
  BullMQ: getJobs

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] state
  ARGV[2] first          number of the first job, 0 for the first of all
  ARGV[3] last           number of the last one, at most 1000 behind it
  ARGV[4] newest_first   1 or 0
  Returns {id, fields} for each job
  Events: none
]]

--- include lib/queue

local q = queue_at(KEYS[1])
local state, first, last = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local newest_first = ARGV[4] == '1'

local SETS = {
  prioritized = q.prioritized,
  delayed = q.delayed,
  completed = q.completed,
  failed = q.failed,
  ['waiting-children'] = q.waiting_children,
}

-- The head of a list is its newest job.
local function read_list(key, from, to)
  if newest_first then
    return redis.call('LRANGE', key, from, to)
  end
  local ids = redis.call('LRANGE', key, -to - 1, -from - 1)
  local turned = {}
  for n = #ids, 1, -1 do
    turned[#turned + 1] = ids[n]
  end
  return turned
end

-- Waiting jobs are in two lists while a BullMQ v5 has paused the queue; the page runs over both.
local function read_waiting()
  local ids = read_list(q.wait, first, last)
  local length = redis.call('LLEN', q.wait)
  if redis.call('EXISTS', q.paused) == 1 and last >= length then
    for _, id in ipairs(read_list(q.paused, math.max(first - length, 0), last - length)) do
      ids[#ids + 1] = id
    end
  end
  return ids
end

local function read_ids()
  if state == 'waiting' then
    return read_waiting()
  elseif state == 'active' then
    return read_list(q.active, first, last)
  end
  return redis.call(newest_first and 'ZREVRANGE' or 'ZRANGE', SETS[state], first, last)
end

local reply = {}
for _, id in ipairs(read_ids()) do
  local fields = redis.call('HGETALL', q.base .. id)
  if #fields > 0 then
    reply[#reply + 1] = { id, fields }
  end
end
return reply
