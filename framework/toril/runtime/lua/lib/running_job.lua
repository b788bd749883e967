--- include lib/queue

-- What settling needs to know of a job, or nil when there is none. `lock` is its lock's value or false.
local function read_running(q, id, lock)
  local key = q.base .. id
  local fields = redis.pcall('HMGET', key, 'ats', 'atm', 'parentKey', 'deid', 't:k')
  if fields.err or not fields[1] and redis.call('EXISTS', key) == 0 then
    return nil
  end
  return {
    id = id,
    key = key,
    lock = lock,
    started = tonumber(fields[1]) or 0,
    made = tonumber(fields[2]) or 0,
    has_parents = fields[3] and fields[3] ~= '',
    dedup_id = fields[4] ~= '' and fields[4],
    limit_keys = fields[5],
  }
end

-- Reads all locks at once, and whether any of the jobs has children at all: few have.
local function look_ahead(q, outcomes)
  local locks, children = {}, {}
  for i, outcome in ipairs(outcomes) do
    local key = q.base .. outcome[2]
    locks[i] = key .. ':lock'
    children[2 * i - 1] = key .. ':dependencies'
    children[2 * i] = key .. ':unsuccessful'
  end
  return redis.call('MGET', unpack(locks)), redis.call('EXISTS', unpack(children)) > 0
end
