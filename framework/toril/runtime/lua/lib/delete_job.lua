--- include lib/job_keys

-- Deletes a job's keys; gives how many there were. Large ones are freed behind the server's back.
local function delete_job(job_key)
  local list = {}
  append_job_keys(list, job_key)
  return redis.call('UNLINK', unpack(list))
end
