--- include lib/store_job
--- include lib/enqueue

-- How much later than its tick a job is due: even, and the same for whoever asks.
local function jitter_of(tick)
  local text = string.format('%s:%.0f', tick.scheduler, tick.next_ms)
  return tonumber(string.sub(redis.sha1hex(text), 1, 8), 16) % (tick.jitter + 1)
end

-- Adds the job of a schedule's next tick. `tick`: scheduler, name, data, next_ms, count, and from
-- the caller opts (a JSON object, open at its end), repeats (the inside of its `repeat`),
-- scheduler_json (the id inside a JSON text), is_pattern, priority, lifo, jitter in ms or false,
-- dedup_id or false.
local function add_tick(q, tick, now_ms)
  local delay = math.max(tick.next_ms - now_ms, 0) + (tick.jitter and jitter_of(tick) or 0)
  local prev_millis = tick.is_pattern and string.format('"prevMillis":%.0f,', tick.next_ms) or ''
  local own = string.format(
    '"jobId":"repeat:%s:%.0f","delay":%.0f,"timestamp":%.0f,%s"repeatJobKey":"%s",',
    tick.scheduler_json, tick.next_ms, delay, now_ms, prev_millis, tick.scheduler_json
  )
  local job = {
    id = string.format('repeat:%s:%.0f', tick.scheduler, tick.next_ms),
    name = tick.name,
    data = tick.data,
    opts = tick.opts .. own .. '"repeat":{' .. tick.repeats
      .. string.format(',"count":%.0f}}', tick.count),
    timestamp = now_ms,
    delay = delay,
    priority = tick.priority,
    lifo = tick.lifo,
    more = { 'rjk', tick.scheduler },
  }
  if tick.dedup_id then
    job.more[3], job.more[4] = 'deid', tick.dedup_id
  end
  redis.call('INCR', q.id)
  store_job(q, job)
  enqueue(q, job)
end
