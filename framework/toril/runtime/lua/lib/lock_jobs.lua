--- include lib/queue

-- Gives jobs their owner's lock, many with one command where the server has it: MSETEX, of Valkey 9.1
-- and Redis 8.4.
local function lock_jobs(q, ids, owner)
  for first = 1, #ids, 1000 do
    local last = math.min(first + 999, #ids)
    local locks = {}
    for i = first, last do
      locks[#locks + 1] = q.base .. ids[i] .. ':lock'
      locks[#locks + 1] = owner.token
    end
    local n = #locks
    locks[n + 1], locks[n + 2] = 'PX', owner.lock_ms
    if n == 2 or type(redis.pcall('MSETEX', n / 2, unpack(locks))) == 'table' then
      for i = 1, n, 2 do
        redis.call('SET', locks[i], owner.token, 'PX', owner.lock_ms)
      end
    end
  end
end
