--- include lib/mark

-- Ready jobs of a queue without a priority are pushed together, behind the others.
local function push_pending(q)
  if q.pending and #q.pending > 0 then
    redis.call('LPUSH', q.wait, unpack(q.pending))
    mark(q)
    q.pending = {}
  end
end

local function append_pending(q, id)
  q.pending = q.pending or {}
  q.pending[#q.pending + 1] = id
  if #q.pending >= 1000 then
    push_pending(q)
  end
end
