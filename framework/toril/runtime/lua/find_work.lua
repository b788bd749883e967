--[[
  Finds the queues from which something can be claimed, and when their delayed jobs are due.
  BullMQ: none; its workers claim from each queue every few seconds, in case a marker was lost

  KEYS[n] base           of each queue; every other key is built from it
  Returns msgpack {numbers of queues where jobs wait, {a number, when its next delayed job is due} for
          each that has any}
  Events: none
]]

--- include lib/take_ids
--- include lib/mark
--- include lib/next_due

local ready, due = {}, {}
for n, base in ipairs(KEYS) do
  local q = queue_at(base)
  if not is_paused(q) and has_work(q) then
    ready[#ready + 1] = n
  end
  local due_ms = next_due_ms(q)
  if due_ms then
    due[#due + 1] = { n, due_ms }
  end
end
return cmsgpack.pack({ ready, due })
