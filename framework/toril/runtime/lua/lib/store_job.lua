--- include lib/emit

-- Writes a new job's hash. `job`: id, name, data, opts, timestamp, delay, priority, and if they
-- apply parent_key, parent (JSON), and more: a flat list of other fields.
local function store_job(q, job)
  local fields = {
    'name', job.name, 'data', job.data, 'opts', job.opts,
    'timestamp', job.timestamp, 'delay', job.delay, 'priority', job.priority,
  }
  if job.parent_key then
    fields[13], fields[14], fields[15], fields[16] =
      'parentKey', job.parent_key, 'parent', job.parent
  end
  for _, value in ipairs(job.more or {}) do
    fields[#fields + 1] = value
  end
  redis.call('HSET', q.base .. job.id, unpack(fields))
  emit(q, 'added', 'jobId', job.id, 'name', job.name)
end
