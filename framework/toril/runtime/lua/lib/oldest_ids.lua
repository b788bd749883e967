--- include lib/queue

local LISTS = { wait = true, paused = true, active = true }

-- The keys of the states, by BullMQ's names of them.
local function key_of_state(q, state)
  return state == 'waiting-children' and q.waiting_children or q[state]
end

-- The next ids of a state, oldest first, behind the `skip` first ones.
local function oldest_ids(q, state, skip, size)
  local key = key_of_state(q, state)
  if not LISTS[state] then
    return redis.call('ZRANGE', key, skip, skip + size - 1)
  end
  local ids, turned = redis.call('LRANGE', key, -skip - size, -skip - 1), {}
  for n = #ids, 1, -1 do
    turned[#turned + 1] = ids[n]
  end
  return turned
end

-- Marks the places in a list and takes the marks out, from the end that is nearer: to look for each
-- id by itself would read a long list again and again.
local function take_out_of_list(key, skip, taken)
  local is_nearer_to_head = skip > redis.call('LLEN', key) / 2
  for _, place in ipairs(taken.places) do
    redis.call('LSET', key, -(skip + place), '0:gone')
  end
  redis.call('LREM', key, is_nearer_to_head and #taken.places or -#taken.places, '0:gone')
end

-- Takes some of the ids out that oldest_ids(q, state, skip, ...) gave; `taken` has them and their
-- places in its answer.
local function take_out_ids(q, state, skip, taken, looked_at)
  local key = key_of_state(q, state)
  if #taken.ids == 0 then
    return
  elseif not LISTS[state] then
    redis.call('ZREM', key, unpack(taken.ids))
  elseif skip == 0 and #taken.ids == looked_at then
    redis.call('LTRIM', key, 0, -looked_at - 1)
  else
    take_out_of_list(key, skip, taken)
  end
end
