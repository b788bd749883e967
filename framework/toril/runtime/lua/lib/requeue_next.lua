--- include lib/store_job
--- include lib/enqueue
--- include lib/opts

-- Makes the job that waited for the end of another one with the same deduplication id a real one.
-- Gives whether there was one.
local function requeue_next(q, dedup_id, now_ms)
  local next_key = q.base .. 'dn:' .. dedup_id
  local next_job = redis.call('HMGET', next_key, 'name', 'data', 'opts', 'jid', 'pk', 'pd', 'pdk', 'rjk')
  if not next_job[1] then
    return false
  end
  local counter = string.format('%.0f', redis.call('INCR', q.id))
  local id = next_job[4]
  if not id or id == '' or redis.call('EXISTS', q.base .. id) == 1 then
    id = counter
  end
  local opts = opts_of(next_job[3])
  local job = {
    id = id,
    name = next_job[1],
    data = next_job[2] or '{}',
    opts = next_job[3] or '{}',
    timestamp = now_ms,
    delay = tonumber(opts.delay) or 0,
    priority = tonumber(opts.priority) or 0,
    lifo = opts.lifo == true,
    parent_key = next_job[5],
    parent = next_job[6] or '{}',
    more = { 'deid', dedup_id },
  }
  if next_job[8] then
    job.more[3], job.more[4] = 'rjk', next_job[8]
  end
  redis.call('SET', q.base .. 'de:' .. dedup_id, id)
  store_job(q, job)
  enqueue(q, job)
  if next_job[7] then
    redis.call('SADD', next_job[7], q.base .. id)
  end
  redis.call('DEL', next_key)
  return true
end
