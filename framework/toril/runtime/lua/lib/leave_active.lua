--- include lib/queue

-- Notes which jobs have been active longest, as many as a call is to settle: most often it is they
-- that end, and they leave `active` together.
local function note_oldest(q, count)
  q.oldest, q.left = {}, {}
  if count > 1 then
    for _, id in ipairs(redis.call('LRANGE', q.active, -count, -1)) do
      q.oldest[id] = true
    end
  end
end

-- Takes a job out of `active`; false if it is not there. One of the oldest is only noted.
local function leave_active(q, id)
  if q.oldest[id] == nil then
    if redis.call('LREM', q.active, -1, id) == 0 then
      return false
    end
  elseif not q.oldest[id] then
    return false
  end
  q.leaving = id
  return true
end

-- Has the job that was leaving stay after all: something of it could not be written.
local function stay_active(q)
  if q.leaving and q.oldest[q.leaving] == nil then
    redis.call('RPUSH', q.active, q.leaving)
  end
  q.leaving = nil
end

local function note_left(q)
  if q.leaving and q.oldest[q.leaving] then
    q.oldest[q.leaving] = false
    q.left[#q.left + 1] = q.leaving
  end
  q.leaving = nil
end

-- Takes those out that were only noted.
local function flush_left(q, count)
  if count > 1 and #q.left == count then
    redis.call('LTRIM', q.active, 0, -count - 1)
    return
  end
  for _, id in ipairs(q.left) do
    redis.call('LREM', q.active, -1, id)
  end
end
