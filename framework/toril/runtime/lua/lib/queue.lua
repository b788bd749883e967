-- The keys of a queue by its base 'P:Q:', made once per call, in one table at once: to make each when
-- it is first asked for costs twice as much as all of them.

local queues = {}

local function queue_at(base)
  local q = queues[base]
  if not q then
    q = {
      base = base,
      wait = base .. 'wait',
      paused = base .. 'paused',
      active = base .. 'active',
      prioritized = base .. 'prioritized',
      pc = base .. 'pc',
      delayed = base .. 'delayed',
      waiting_children = base .. 'waiting-children',
      completed = base .. 'completed',
      failed = base .. 'failed',
      meta = base .. 'meta',
      events = base .. 'events',
      marker = base .. 'marker',
      stalled = base .. 'stalled',
      stalled_check = base .. 'stalled-check',
      limiter = base .. 'limiter',
      schedulers = base .. 'repeat',
      id = base .. 'id',
    }
    queues[base] = q
  end
  return q
end
