--[[
  Removes dead letters that are not being handled.
  BullMQ: none

  KEYS[1] base           of the dead-letter queue; every other key is built from it
  ARGV[n] id             of each letter
  Returns a code for each letter: 0 removed; -1 there is none; -3 it is being handled
  Events: removed
]]

--- include lib/letter

local q = queue_at(KEYS[1])
local ids = ARGV

local codes = {}
for n, id in ipairs(ids) do
  codes[n] = find_letter_refusal(q, id) or 0
  if codes[n] == 0 then
    remove_one(q, id)
  end
end
return codes
