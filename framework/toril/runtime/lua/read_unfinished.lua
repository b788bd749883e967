--[[
  Counts what is left to do in several queues at one instant.
  BullMQ: none

  KEYS, eight for each queue, in this order:
    wait paused active prioritized delayed waiting-children meta repeat
  ARGV[1] after_ms  scheduler iterations whose tick is later do not count
  Returns for each queue {1 if paused, waiting or prioritized, delayed, active, waiting-children,
    when the first that is delayed is due, 0 if none is}
  Events: none
]]

local KEYS_PER_QUEUE = 8
-- A line that is longer, and longer than there are schedules, holds more than their next ticks.
local LONGEST_READ = 1000
local PAGE = 20

local after_ms = tonumber(ARGV[1])

local function count_without_later_ticks(ids)
  local count = #ids
  for _, id in ipairs(ids) do
    local tick = string.match(id, "^repeat:.+:(%d+)$")
    if tick and tonumber(tick) > after_ms then
      count = count - 1
    end
  end
  return count
end

local function count(key, length_of, read, schedules)
  local length = redis.call(length_of, key)
  if length == 0 or length > math.max(LONGEST_READ, schedules) then
    return length
  end
  return count_without_later_ticks(redis.call(read, key, 0, -1))
end

local function count_list(key, schedules)
  return count(key, "LLEN", "LRANGE", schedules)
end

local function count_set(key, schedules)
  return count(key, "ZCARD", "ZRANGE", schedules)
end

local function first_due_ms(delayed)
  -- Almost always one of the first few.
  local first = 0
  while true do
    local rows = redis.call("ZRANGE", delayed, first, first + PAGE - 1, "WITHSCORES")
    for at = 1, #rows, 2 do
      if count_without_later_ticks({ rows[at] }) > 0 then
        return math.floor(tonumber(rows[at + 1]) / 4096)
      end
    end
    if #rows < 2 * PAGE then
      return 0
    end
    first = first + PAGE
  end
end

local reply = {}
for first = 1, #KEYS, KEYS_PER_QUEUE do
  local wait, paused, active = KEYS[first], KEYS[first + 1], KEYS[first + 2]
  local prioritized, delayed = KEYS[first + 3], KEYS[first + 4]
  local waiting_children, meta = KEYS[first + 5], KEYS[first + 6]
  local schedules = redis.call("ZCARD", KEYS[first + 7])
  reply[#reply + 1] = {
    redis.call("HEXISTS", meta, "paused"),
    count_list(wait, schedules) + count_list(paused, schedules) + count_set(prioritized, schedules),
    count_set(delayed, schedules),
    count_list(active, schedules),
    redis.call("ZCARD", waiting_children),
    first_due_ms(delayed),
  }
end
return reply
