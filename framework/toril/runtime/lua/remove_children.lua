--[[
  Removes children of a job with all below them, as many as one call may.
  BullMQ: removeUnprocessedChildren; and a part of removeJob, for a job with very many

  KEYS[1] base           of the job's queue; every other key is built from it, or from a child's key
  ARGV[1] id
  ARGV[2] only_pending   1: those that have not ended and do not run; the last one releases the job.
                         0: all of them but the last, so that the job is not released
  ARGV[3] cursor         where to go on among pending children: 0, then what the last call gave
  Returns {how many jobs were removed, next cursor, key of a child that runs or '', key of a child
          with too many below it or '', 1 if that was all, how many children it looked at};
          {-1} no such job
  Events: removed; waiting of the job, when the last pending child is removed
]]

--- include lib/queue_of
--- include lib/family
--- include lib/remove_one

local q = queue_at(KEYS[1])
local id, only_pending, cursor = ARGV[1], ARGV[2] == '1', ARGV[3]
local job_key = q.base .. id

local PAGE = 200

local function is_idle(child_key)
  local of_queue, child_id = queue_of(child_key)
  return not is_locked(child_key) and not redis.call('ZSCORE', of_queue.failed, child_id)
end

-- A page of children, and how one of them is taken off the job's books.
local function read_page()
  local pending = job_key .. ':dependencies'
  if only_pending then
    local page = redis.call('SSCAN', pending, cursor, 'COUNT', PAGE)
    return page[2], nil, page[1]
  end
  local spare = redis.call('SCARD', pending) - 1
  if spare > 0 then
    return redis.call('SRANDMEMBER', pending, math.min(spare, PAGE)), { 'SREM', pending }, '0'
  end
  for _, part in ipairs({ ':processed', ':failed' }) do
    if redis.call('EXISTS', job_key .. part) == 1 then
      local part_key = job_key .. part
      return redis.call('HRANDFIELD', part_key, PAGE), { 'HDEL', part_key }, '0'
    end
  end
  local unsuccessful = job_key .. ':unsuccessful'
  return redis.call('ZRANGE', unsuccessful, 0, PAGE - 1), { 'ZREM', unsuccessful }, '0'
end

-- A job's last pending child goes with it, but not what is below that child, if it is too much.
local function find_too_large_last()
  local pending = job_key .. ':dependencies'
  local last = redis.call('SCARD', pending) == 1 and redis.call('SRANDMEMBER', pending)
  return last and not append_family({}, last) and last or nil
end

if redis.call('EXISTS', job_key) == 0 then
  return { -1 }
end
local too_large = not only_pending and find_too_large_last()
if too_large then
  return { 0, cursor, '', too_large, 0, 0 }
end
local removed, cost, looked_at = 0, 0, 0
local children, take_off, next_cursor = read_page()
for n, child_key in ipairs(children) do
  looked_at = n
  if not only_pending or is_idle(child_key) then
    local family = {}
    if not append_family(family, child_key, only_pending and is_idle or nil) then
      return { removed, cursor, '', child_key, 0, looked_at }
    end
    for _, member_key in ipairs(family) do
      if is_locked(member_key) then
        return { removed, cursor, member_key, '', 0, looked_at }
      end
    end
    if take_off then
      redis.call(take_off[1], take_off[2], child_key)
    end
    removed = removed + remove_all(family)
    cost = cost + family.cost
    if cost > 500 then
      -- What is left of the page is read again.
      return { removed, cursor, '', '', 0, looked_at }
    end
  end
end
return { removed, next_cursor, '', '', next_cursor == '0' and 1 or 0, looked_at }
