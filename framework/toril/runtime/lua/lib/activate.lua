--- include lib/emit
--- include lib/owner_mark

-- Makes a job that was just put into `active` the owner's. `owner`: token, lock_ms, worker.
-- Gives what the worker needs: {id, fields, attempts started, children's results or false}; whether
-- the job has to be failed without running; and how many bytes its fields are.
local function activate(q, id, fields, owner, now_ms)
  local job_key = q.base .. id
  local started, is_doomed, size = 1, false, 0
  for i = 1, #fields, 2 do
    size = size + #fields[i + 1]
    if fields[i] == 'ats' then
      started = (tonumber(fields[i + 1]) or 0) + 1
    elseif fields[i] == 'defa' then
      is_doomed = true
    end
  end
  redis.call('SET', job_key .. ':lock', owner.token, 'PX', owner.lock_ms)
  emit(q, 'active', 'jobId', id, 'prev', 'waiting')
  local runs_it = owner_mark(owner.token, started)
  if owner.worker ~= '' then
    redis.call('HSET', job_key, 'processedOn', now_ms, 'ats', started, 't:o', runs_it, 'pb', owner.worker)
  else
    redis.call('HSET', job_key, 'processedOn', now_ms, 'ats', started, 't:o', runs_it)
  end
  return { id, fields, started, false }, is_doomed, size
end

-- Adds completed children's results to activated jobs; few jobs have any.
local function add_children_results(q, jobs)
  local keys = {}
  for i, job in ipairs(jobs) do
    keys[i] = q.base .. job[1] .. ':processed'
  end
  if #keys == 0 or redis.call('EXISTS', unpack(keys)) == 0 then
    return
  end
  for i, job in ipairs(jobs) do
    local results = redis.call('HGETALL', keys[i])
    job[4] = #results > 0 and results
  end
end
