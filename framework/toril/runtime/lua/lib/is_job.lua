-- Whether there is a job, and not some other value that somebody put in its place.
local function is_job(job_key)
  return redis.call('TYPE', job_key).ok == 'hash'
end
