--[[
  Claims a job of each queue that has one. It is sent behind a command that waits for one, so only the
  server knows when it is run.
  BullMQ: moveToActive

  KEYS[n] base           of each queue; every other key is built from it
  ARGV[n] owner          of each queue, as settle_and_claim takes it
  Returns msgpack {now in ms, of each queue false if nothing is ready there, or {claimed jobs {id,
          fields, attempts started, children's results or false}, rate limit in ms, when the next
          delayed job is due or -1}}
  Events: waiting, active
]]

--- include lib/plain_round

local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)
local now = string.format('%.0f', now_ms)
local found, others = {}, {}
for n, base in ipairs(KEYS) do
  local _, jobs
  if redis.call('LLEN', base .. 'wait') > 0 then
    _, jobs = play_plain_round(base, now, cmsgpack.unpack(ARGV[n]), 1, {})
  end
  found[n] = jobs and { jobs, 0, -1 } or false
  if not jobs then
    others[#others + 1] = n
  end
end
if #others == 0 then
  return cmsgpack.pack({ now_ms, found })
end

--- include lib/emit
--- include lib/next_due
--- include lib/promote_due
--- include lib/claim

for _, n in ipairs(others) do
  local q = queue_at(KEYS[n])
  q.defers_marks = true
  promote_due(q, now_ms)
  if has_work(q) then
    local jobs, limit_ms = claim(q, 1, cmsgpack.unpack(ARGV[n]), now_ms)
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
