--[[
  Reads what a call whose reply was lost did: which jobs are a token's now, and which of the doubtful
  ones are not any more. Writes nothing.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] token
  ARGV[2] doubtful       msgpack, a list of {id, attempts started}
  Returns msgpack {active jobs {id, fields, attempts started, children's results or false}, the one
          that was started first is first; ids of doubtful starts that are over}
  Events: none
]]

--- include lib/visit_active
--- include lib/activate

local q = queue_at(KEYS[1])
local token = ARGV[1]
local doubtful = cmsgpack.unpack(ARGV[2])
local jobs, start_of, over = {}, {}, {}

visit_active(q, token, function(id, owned, _, started)
  local fields = owned and redis.pcall('HGETALL', q.base .. id) or {}
  if #fields > 0 then
    table.insert(jobs, 1, { id, fields, started, false })
    start_of[id] = started
  end
end)
add_children_results(q, jobs)
for _, pair in ipairs(doubtful) do
  if start_of[pair[1]] ~= pair[2] then
    over[#over + 1] = pair[1]
  end
end
return cmsgpack.pack({ jobs, over })
