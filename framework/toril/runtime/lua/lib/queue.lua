-- The keys of a queue by its base 'P:Q:', each made when it is first asked for.

local queues = {}

local SUFFIXES = {
  wait = 'wait', paused = 'paused', active = 'active', prioritized = 'prioritized', pc = 'pc',
  delayed = 'delayed', waiting_children = 'waiting-children', completed = 'completed',
  failed = 'failed', meta = 'meta', events = 'events', marker = 'marker', stalled = 'stalled',
  stalled_check = 'stalled-check', limiter = 'limiter', schedulers = 'repeat', id = 'id',
}

local WITH_KEYS = {
  __index = function(q, name)
    local suffix = SUFFIXES[name]
    if suffix then
      local key = q.base .. suffix
      q[name] = key
      return key
    end
  end,
}

local function queue_at(base)
  local q = queues[base]
  if not q then
    q = setmetatable({ base = base }, WITH_KEYS)
    queues[base] = q
  end
  return q
end

-- Splits a job key 'P:Q:ID' into its queue and id.
local function queue_of(job_key)
  local base, id = string.match(job_key, '^(.*:)([^:]+)$')
  return queue_at(base), id
end
