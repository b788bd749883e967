--- include lib/store_job
--- include lib/enqueue

-- Adds the copy of a job that fails for good to its dead-letter queue, unless it is there.
local function add_letter(letter, now_ms)
  local q, id = queue_at(letter[1]), letter[2]
  if redis.call('EXISTS', q.base .. id) == 1 then
    return
  end
  local job = {
    id = id, name = letter[3], data = letter[4], opts = letter[5], priority = letter[6],
    timestamp = now_ms, delay = 0, more = { 't:dl', letter[7] },
  }
  redis.call('INCR', q.id)
  store_job(q, job)
  enqueue(q, job)
end
