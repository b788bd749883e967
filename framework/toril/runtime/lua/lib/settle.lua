--- include lib/mark
--- include lib/settle_one

-- Settles each outcome by itself: a refused one, or one that breaks on a key not of its type, does
-- not hold up the others. Gives a code for each, whether any job finished, and the failed children.
local function settle(q, outcomes, token, now_ms)
  local codes, settled, has_finished, failed = {}, {}, false, {}
  if #outcomes == 0 then
    return codes, false, failed
  end
  q.kept, q.unlocked = {}, {}
  note_oldest(q, #outcomes)
  local locks, may_have_children = look_ahead(q, outcomes)
  for i, outcome in ipairs(outcomes) do
    local ran, code, child = pcall(settle_one, q, outcome, locks[i], token, may_have_children, now_ms)
    codes[i] = ran and code or -100
    if ran then
      note_left(q)
    else
      stay_active(q)
    end
    if codes[i] == -9 then
      failed[#failed + 1] = { i, child[1], child[2] }
    end
    if codes[i] >= 0 then
      settled[#settled + 1] = outcome[2]
      has_finished = has_finished or outcome[1] <= FAILED
    end
  end
  if #settled > 0 then
    redis.call('SREM', q.stalled, unpack(settled))
  end
  if #q.unlocked > 0 then
    redis.call('DEL', unpack(q.unlocked))
  end
  flush_left(q, #outcomes)
  flush_kept(q, now_ms)
  if q.has_delayed then
    mark_delay(q)
  end
  return codes, has_finished, failed
end
