--[[
  Claims a job of each queue that has one. It is sent behind a command that waits for one, so only the
  server knows when it is run.
  BullMQ: moveToActive

  KEYS[n] base           of each queue; every other key is built from it
  ARGV[1] token
  ARGV[2] worker         its name, or empty
  ARGV[3] owners         msgpack, of each queue {lock_ms, starts per duration that this worker allows
                         it or false, duration in ms or false}
  Returns msgpack {now in ms, of each queue false if nothing is ready there, or {claimed jobs {id,
          fields, attempts started, children's results or false}, rate limit in ms, when the next
          delayed job is due or -1}}
  Events: waiting, active
]]

--- include lib/emit
--- include lib/delay
--- include lib/promote_due
--- include lib/claim

local token = ARGV[1]
local worker = ARGV[2]
local owners = cmsgpack.unpack(ARGV[3])

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for n, base in ipairs(KEYS) do
  local q = queue_at(base)
  q.defers_marks = true
  promote_due(q, now_ms)
  found[n] = false
  if has_work(q) then
    local lock_ms, max, duration = unpack(owners[n])
    local owner = { token = token, worker = worker, lock_ms = lock_ms, max = max, duration = duration }
    local jobs, limit_ms = claim(q, 1, owner, now_ms)
    if q.has_delayed then
      mark_delay(q)
    end
    found[n] = { jobs, limit_ms, #jobs == 0 and next_due_ms(q) or -1 }
    if (#jobs > 0 or q.wants_mark) and has_work(q) then
      q.defers_marks = false
      mark(q)
    end
  end
end
return cmsgpack.pack({ now_ms, found })
