--[[
  Removes jobs of one state that are old enough, the oldest first, looking at `size` in a call.
  BullMQ: cleanJobsInSet

  KEYS[1] base           of the queue; every other key is built from it, or from a parent's key
  ARGV[1] state          wait, paused, prioritized, delayed, active, completed or failed
  ARGV[2] skip           how many to pass over: those that earlier calls left
  ARGV[3] size
  ARGV[4] latest_ms      what happened to a job later keeps it: its end, its start or its add
  Returns {removed ids, how many it looked at, how many of these stay, 1 if no older one is left}
  Events: cleaned
]]

--- include lib/emit
--- include lib/remove_batch

local q = queue_at(KEYS[1])
local state, skip, size = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local latest_ms = tonumber(ARGV[4])

-- Finished jobs are in the order of their end: behind one that is too new all are.
local is_in_order = state == 'completed' or state == 'failed'
local is_over = false

-- Like BullMQ: what counts of a job's life depends on where it is.
local function last_instant(finished_on, processed_on, timestamp)
  if is_in_order then
    return finished_on
  elseif state == 'prioritized' then
    return timestamp
  elseif state == 'delayed' then
    return processed_on or timestamp
  end
  return finished_on or processed_on or timestamp
end

local function may_go(id, ...)
  if state == 'active' and redis.call('EXISTS', q.base .. id .. ':lock') == 1 then
    return false
  end
  local is_old = (tonumber(last_instant(...) or 0) or 0) <= latest_ms
  is_over = is_over or (is_in_order and not is_old)
  return is_old
end

trim_events(q)
local removed, looked_at, left = remove_batch(q, state, skip, size, may_go)
if #removed > 0 then
  emit(q, 'cleaned', 'count', #removed)
end
return { removed, looked_at, left, (is_over or looked_at < size) and 1 or 0 }
