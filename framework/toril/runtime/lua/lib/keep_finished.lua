--- include lib/trim_kept

-- Adds the finished jobs that are held back to their sets, and trims these.
local function flush_kept(q, now_ms)
  for set, kept in pairs(q.kept) do
    redis.call('ZADD', set, unpack(kept.members))
    trim_kept(q, set, kept.count, kept.age_ms, now_ms)
  end
  q.kept = {}
end

-- Keeps a finished job. Jobs of one call with one rule are held back, to be added and trimmed as one.
local function keep_finished(q, set, job, count, age_ms, now_ms)
  local kept = q.kept[set]
  if kept and (kept.count ~= count or kept.age_ms ~= age_ms) then
    flush_kept(q, now_ms)
    kept = nil
  end
  if not kept then
    kept = { count = count, age_ms = age_ms, members = {} }
    q.kept[set] = kept
  end
  local n = #kept.members
  kept.members[n + 1], kept.members[n + 2] = now_ms, job.id
end
