-- When a schedule of a fixed interval ticks next. `slot`: every, offset (0 when it has none), start
-- (nil when it has none). `prev`: its last tick, nil before the first. Gives the instant, and the
-- offset that the ticks keep from multiples of the interval.
local function next_slot(slot, prev, now_ms)
  local every, offset = slot.every, slot.offset
  local next_ms
  if prev then
    next_ms = prev + every
  elseif slot.start then
    next_ms = math.max(slot.start, now_ms)
  elseif offset == 0 then
    next_ms = now_ms
  end
  -- The first one with an offset, and what was missed: ticks are skipped, not made up for.
  if not next_ms or (prev and next_ms < now_ms) then
    next_ms = math.floor(now_ms / every) * every + offset
    if next_ms <= now_ms then
      next_ms = next_ms + every
    end
  end
  return math.floor(next_ms), offset ~= 0 and offset or math.floor(next_ms % every)
end
