--[[
  Sends dead letters back, each with its removal: the job that failed runs again with a fresh budget
  of attempts, or is added anew where it was not kept.
  BullMQ: none

  KEYS[1] base           of the dead-letter queue
  KEYS[n] base           of each queue that jobs go back to; every other key is built from a base, or
                         from a parent's key
  ARGV[1] now_ms
  ARGV[2] skip           how many waiting letters are older than these, as far as is known; else -1
  ARGV[3] letters        msgpack, a list of {its id, its queue's number in KEYS, id, name, data or
                         false, opts, priority, fields}; fields: a flat list of the job's others
  Returns a code for each letter: 0 sent back; -1 there is none; -3 it is being handled; -7 its job is
          there and has not failed; -8 its data is not known; -9 a child of its job comes first
  Events: removed; of the job waiting or waiting-children, after added where it is new
]]

--- include lib/letter
--- include lib/store_job
--- include lib/enqueue
--- include lib/retry_finished

local q = queue_at(KEYS[1])
local now_ms, skip = tonumber(ARGV[1]), tonumber(ARGV[2])
local letters = cmsgpack.unpack(ARGV[3])

local function retry(origin, id)
  if not redis.call('ZSCORE', origin.failed, id) then
    return -7
  elseif find_failed_child(origin, id) then
    return -9
  end
  retry_finished(origin, id, 'failed', true, now_ms)
  -- Its lifetime begins anew, too.
  redis.call('HSET', origin.base .. id, 'timestamp', now_ms)
  return 0
end

local function add_anew(origin, job)
  redis.call('INCR', origin.id)
  store_job(origin, job)
  local job_key = origin.base .. job.id
  for _, parent in ipairs(read_parents(job_key) or {}) do
    move_back_to(job_key, parent[1], 'failed')
  end
  enqueue(origin, job)
end

local function replay(letter)
  local letter_id, origin, id, data = letter[1], queue_at(KEYS[letter[2]]), letter[3], letter[5]
  local refusal = find_letter_refusal(q, letter_id)
  if refusal then
    return refusal
  end
  if redis.call('EXISTS', origin.base .. id) == 1 then
    local code = retry(origin, id)
    if code ~= 0 then
      return code
    end
  elseif not data then
    return -8
  else
    add_anew(origin, {
      id = id, name = letter[4], data = data, opts = letter[6], priority = letter[7],
      timestamp = now_ms, delay = 0, lifo = opts_of(letter[6]).lifo == true, more = letter[8],
    })
  end
  return 0
end

local codes, gone = {}, {}
for n, letter in ipairs(letters) do
  codes[n] = replay(letter)
  if codes[n] == 0 then
    gone[#gone + 1] = letter[1]
  end
end
remove_letters(q, gone, skip)
return codes
