-- Appends every key of a job but its lock to a list.
local function append_job_keys(list, job_key)
  local n = #list
  list[n + 1] = job_key
  list[n + 2] = job_key .. ':logs'
  list[n + 3] = job_key .. ':dependencies'
  list[n + 4] = job_key .. ':processed'
  list[n + 5] = job_key .. ':failed'
  list[n + 6] = job_key .. ':unsuccessful'
end
