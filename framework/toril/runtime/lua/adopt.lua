--[[
  Makes every active job of a token another token's: a new start, without going through waiting.
  BullMQ: none

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] now_ms
  ARGV[2] from_token
  ARGV[3] token
  ARGV[4] lock_ms
  ARGV[5] worker         the new owner's name, or empty
  Returns msgpack, a list of jobs {id, fields, attempts started, children's results or false}, the
          one that was started first is first
  Events: active
]]

--- include lib/visit_active
--- include lib/activate

local q = queue_at(KEYS[1])
local now_ms = tonumber(ARGV[1])
local from_token = ARGV[2]
local owner = { token = ARGV[3], lock_ms = ARGV[4], worker = ARGV[5] }
local jobs = {}

visit_active(q, from_token, function(id, owned)
  local fields = owned and redis.pcall('HGETALL', q.base .. id) or {}
  if #fields > 0 then
    table.insert(jobs, 1, (activate(q, id, fields, owner, now_ms)))
    redis.call('SREM', q.stalled, id)
  end
end)
add_children_results(q, jobs)
return cmsgpack.pack(jobs)
