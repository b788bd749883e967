--[[
  Looks in a queue's events for how a job ended that is not kept; the newest 10,000 are searched.
  BullMQ: none

  KEYS[1] events         of the queue
  ARGV[1] id
  Returns {completed or failed, its result as JSON or the reason}, or false
  Events: none
]]

local CHUNK, MOST = 500, 10000
local events, id = KEYS[1], ARGV[1]

local function read_fields(flat)
  local fields = {}
  for i = 1, #flat, 2 do
    fields[flat[i]] = flat[i + 1]
  end
  return fields
end

local last = '+'
for _ = 1, MOST, CHUNK do
  local entries = redis.call('XREVRANGE', events, last, '-', 'COUNT', CHUNK)
  for _, entry in ipairs(entries) do
    local fields = read_fields(entry[2])
    if fields.jobId == id and (fields.event == 'completed' or fields.event == 'failed') then
      return { fields.event, fields.returnvalue or fields.failedReason or '' }
    end
  end
  if #entries < CHUNK then
    return false
  end
  last = '(' .. entries[#entries][1]
end
return false
