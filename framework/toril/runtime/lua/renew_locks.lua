--[[
  Renews the locks of every active job of queues that is one of the tokens'. A lock that ran out is
  taken again if nobody started the job since.
  BullMQ: extendLocks

  KEYS[n] base           of each queue; every other key is built from it
  ARGV[1] lock_ms
  ARGV[2] tokens         msgpack, a list
  Returns msgpack, for each queue where there are any {its number, {for each token {ids that are still
          its own}}}
  Events: none
]]

--- include lib/queue
--- include lib/owner

local lock_ms = ARGV[1]
local tokens = cmsgpack.unpack(ARGV[2])

local number_of = {}
for n, token in ipairs(tokens) do
  number_of[token] = n
end

-- The number of the token whose mark a job without a lock still carries.
local function find_last_owner(q, id)
  local fields = redis.pcall('HMGET', q.base .. id, 't:o', 'ats')
  local token = fields[1] and string.match(fields[1], '^(.*)#%d+$')
  if token and is_owned_by(token, false, fields[1], fields[2]) then
    return number_of[token]
  end
end

-- Renews what is active in a queue; gives for each token its ids, or nil where nothing is any token's.
local function renew(q, active)
  local owned, renewed = {}, {}
  for n = 1, #tokens do
    owned[n] = {}
  end
  for _, id in ipairs(active) do
    local lock_key = q.base .. id .. ':lock'
    local lock = redis.call('GET', lock_key)
    local number
    if lock then
      number = number_of[lock]
    else
      number = find_last_owner(q, id)
    end
    if number then
      redis.call('SET', lock_key, tokens[number], 'PX', lock_ms)
      renewed[#renewed + 1] = id
      owned[number][#owned[number] + 1] = id
    end
  end
  for first = 1, #renewed, 1000 do
    redis.call('SREM', q.stalled, unpack(renewed, first, math.min(first + 999, #renewed)))
  end
  return #renewed > 0 and owned or nil
end

local answer = {}
for n, base in ipairs(KEYS) do
  local active = redis.call('LRANGE', base .. 'active', 0, -1)
  local owned = #active > 0 and renew(queue_at(base), active)
  if owned then
    answer[#answer + 1] = { n, owned }
  end
end
return cmsgpack.pack(answer)
