--- include lib/queue

local keyed_functions

-- The functions of limits per key, made when the first of a call's jobs needs them: few queues have
-- such limits, and each function that a script makes as it begins costs the server half a microsecond.
local function keyed()
  if not keyed_functions then
    --- include lib/key_slots
    --- include lib/key_turn
    --- include lib/ring
    keyed_functions = {
      find_limit_keys = find_limit_keys,
      is_parked = is_parked,
      hold_slots = hold_slots,
      find_turn_ms = find_turn_ms,
      free_slots = free_slots,
      clear_front = clear_front,
      take_from_ring = take_from_ring,
    }
  end
  return keyed_functions
end
