--- include lib/push
--- include lib/delay
--- include lib/emit

-- Puts a stored job where its delay and priority say. `job`: id, timestamp, delay, priority, lifo.
local function enqueue(q, job)
  if job.delay > 0 then
    local due_ms = job.timestamp + job.delay
    delay_until(q, job.id, due_ms)
    emit(q, 'delayed', 'jobId', job.id, 'delay', due_ms)
    mark_delay(q)
  else
    push_ready(q, job.id, job.priority, job.lifo)
    emit(q, 'waiting', 'jobId', job.id)
  end
end
