--[[
  Lists the jobs of some states, a page of each; ids without a job are passed over, and the page is
  filled from further on.
  BullMQ: getJobs

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] states         the states, with commas
  ARGV[2] first          number of the first job, 0 for the first of all
  ARGV[3] last           number of the last one, at most 1000 behind it
  ARGV[4] newest_first   1 or 0
  Returns {id, fields, state} for each job
  Events: none
]]

--- include lib/queue

local q = queue_at(KEYS[1])
local states, first, last = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local newest_first = ARGV[4] == '1'

-- How often a page is filled up.
local ROUNDS = 5

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
-- What v5 put aside is older, and runs before the others.
local function read_waiting(from, to)
  local newer, older = q.wait, q.paused
  if not newest_first then
    newer, older = older, newer
  end
  local ids = read_list(newer, from, to)
  local length = redis.call('LLEN', newer)
  if to >= length and redis.call('EXISTS', older) == 1 then
    for _, id in ipairs(read_list(older, math.max(from - length, 0), to - length)) do
      ids[#ids + 1] = id
    end
  end
  return ids
end

local function read_ids(state, from, to)
  if state == 'waiting' then
    return read_waiting(from, to)
  elseif state == 'active' then
    return read_list(q.active, from, to)
  end
  return redis.call(newest_first and 'ZREVRANGE' or 'ZRANGE', SETS[state], from, to)
end

local reply = {}
for state in string.gmatch(states, '[^,]+') do
  local from, to = first, last
  for _ = 1, ROUNDS do
    local ids, missing = read_ids(state, from, to), 0
    for _, id in ipairs(ids) do
      local fields = redis.pcall('HGETALL', q.base .. id)
      if #fields > 0 then
        reply[#reply + 1] = { id, fields, state }
      else
        missing = missing + 1
      end
    end
    if missing == 0 or #ids < to - from + 1 then
      break
    end
    from, to = to + 1, to + missing
  end
end
return reply
