--[[
  Removes dead letters that are not being handled.
  BullMQ: none

  KEYS[1] base           of the dead-letter queue; every other key is built from it
  ARGV[1] skip           how many waiting letters are older than these, as far as is known; else -1
  ARGV[2] letters        msgpack, a list of their ids
  Returns a code for each letter: 0 removed; -1 there is none; -3 it is being handled
  Events: removed
]]

--- include lib/letter

local q = queue_at(KEYS[1])
local skip = tonumber(ARGV[1])
local letters = cmsgpack.unpack(ARGV[2])

local codes, gone = {}, {}
for n, id in ipairs(letters) do
  codes[n] = find_letter_refusal(q, id) or 0
  if codes[n] == 0 then
    gone[#gone + 1] = id
  end
end
remove_letters(q, gone, skip)
return codes
