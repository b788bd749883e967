--- include lib/queue

-- The parents of a job, {key, link as JSON} each: BullMQ's own first, then those that Toril keeps
-- beside it (`t:n`, a JSON array of such pairs). Nil for a job that has none, as most have.
local function parents_of(parent_key, link, further)
  if not parent_key or parent_key == '' then
    return nil
  end
  local parents = { { parent_key, link } }
  if further then
    local is_json, others = pcall(cjson.decode, further)
    for _, other in ipairs(is_json and type(others) == 'table' and others or {}) do
      parents[#parents + 1] = other
    end
  end
  return parents
end

local function read_parents(job_key)
  local fields = redis.call('HMGET', job_key, 'parentKey', 'parent', 't:n')
  return parents_of(fields[1], fields[2], fields[3])
end
