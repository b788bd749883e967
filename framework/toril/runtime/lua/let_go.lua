--[[
  Has a job that runs wait no more for children that are pending; they run on for themselves.
  BullMQ: removeChildDependency, of one parent

  KEYS[1] base           of the queue; the job's keys are built from it
  ARGV[1] id
  ARGV[n] child          further ones: keys of its children; of those that have ended nothing changes
  Returns how many it waited for
  Events: none
]]

--- include lib/parents

local job_key = KEYS[1] .. ARGV[1]

-- Takes the job out of a child's parents; the next one becomes the parent that BullMQ knows.
local function unlink(child_key)
  local others = {}
  for _, parent in ipairs(read_parents(child_key) or {}) do
    if parent[1] ~= job_key then
      others[#others + 1] = parent
    end
  end
  redis.call('HDEL', child_key, 'parentKey', 'parent', 't:n')
  local first = table.remove(others, 1)
  if first then
    redis.call('HSET', child_key, 'parentKey', first[1], 'parent', first[2])
  end
  if #others > 0 then
    redis.call('HSET', child_key, 't:n', cjson.encode(others))
  end
end

local count = 0
for n = 2, #ARGV do
  local child_key = ARGV[n]
  if redis.call('SREM', job_key .. ':dependencies', child_key) == 1 then
    unlink(child_key)
    count = count + 1
  end
end
return count
