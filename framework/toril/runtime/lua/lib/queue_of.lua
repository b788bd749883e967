--- include lib/queue

-- Splits a job key 'P:Q:ID' into its queue and id.
local function queue_of(job_key)
  local base, id = string.match(job_key, '^(.*:)([^:]+)$')
  return queue_at(base), id
end
