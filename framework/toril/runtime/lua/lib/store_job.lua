--- include lib/emit

-- Writes a new job's hash. `job`: id, name, data, opts, timestamp, delay, priority, and if they
-- apply parent_key, parent (JSON), and more: a flat list of other fields. Many jobs that differ by
-- id and data alone may be one `job` in turn: what they have in common is made up once.
local function store_job(q, job)
  local fields = job.fields
  if not fields then
    fields = {
      'data', '', 'name', job.name, 'opts', job.opts, 'timestamp', string.format('%.0f', job.timestamp),
      'delay', string.format('%.0f', job.delay), 'priority', string.format('%.0f', job.priority),
    }
    if job.parent_key then
      fields[13], fields[14], fields[15], fields[16] =
        'parentKey', job.parent_key, 'parent', job.parent
    end
    for _, value in ipairs(job.more or {}) do
      fields[#fields + 1] = value
    end
    job.fields = fields
  end
  fields[2] = job.data
  redis.call('HSET', q.base .. job.id, unpack(fields))
  emit(q, 'added', 'jobId', job.id, 'name', job.name)
end
