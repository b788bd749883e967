--[[
  Renews the locks of every active job that is one of the tokens'. A lock that ran out is taken again
  if nobody started the job since.
  BullMQ: extendLocks

  KEYS[1] base           of the queue; every other key is built from it
  ARGV[1] lock_ms
  ARGV[2] tokens         msgpack, a list
  Returns msgpack {for each token {ids that are still its own}}
  Events: none
]]

--- include lib/owner

local q = queue_at(KEYS[1])
local lock_ms = ARGV[1]
local tokens = cmsgpack.unpack(ARGV[2])

local answer, number_of, renewed = {}, {}, {}
for n, token in ipairs(tokens) do
  answer[n] = {}
  number_of[token] = n
end

-- The number of the token whose mark a job without a lock still carries.
local function find_last_owner(id)
  local fields = redis.pcall('HMGET', q.base .. id, 't:o', 'ats')
  local token = fields[1] and string.match(fields[1], '^(.*)#%d+$')
  if token and is_owned_by(token, false, fields[1], fields[2]) then
    return number_of[token]
  end
end

for _, id in ipairs(redis.call('LRANGE', q.active, 0, -1)) do
  local lock_key = q.base .. id .. ':lock'
  local lock = redis.call('GET', lock_key)
  local number
  if lock then
    number = number_of[lock]
  else
    number = find_last_owner(id)
  end
  if number then
    redis.call('SET', lock_key, tokens[number], 'PX', lock_ms)
    renewed[#renewed + 1] = id
    answer[number][#answer[number] + 1] = id
  end
end

for first = 1, #renewed, 1000 do
  redis.call('SREM', q.stalled, unpack(renewed, first, math.min(first + 999, #renewed)))
end
return cmsgpack.pack(answer)
