--- include lib/remove_one
--- include lib/is_job
--- include lib/delete_job
--- include lib/oldest_ids

-- As many waiting letters a worker may claim between the reading of a page and the call on it.
local CLAIMED_MEANWHILE = 500

-- Why a dead letter cannot be taken away now: -1 there is none of that id, -3 it is being handled;
-- nil if it can be.
local function find_letter_refusal(q, id)
  local key = q.base .. id
  if not is_job(key) or redis.call('HEXISTS', key, 't:dl') == 0 then
    return -1
  elseif is_locked(key) or redis.call('LPOS', q.active, id)
    or redis.call('ZSCORE', q.waiting_children, id)
  then
    return -3
  end
  return nil
end

-- Where letters wait, by their ids, counted from the oldest: those of a page behind the `skip` first
-- ones. To look for each by itself would read a long list again and again.
local function find_letter_places(q, skip, size)
  local passed, places = math.max(skip - CLAIMED_MEANWHILE, 0), {}
  local ids = redis.call('LRANGE', q.wait, -skip - size, -passed - 1)
  for n, id in ipairs(ids) do
    places[id] = passed + #ids - n + 1
  end
  return places
end

-- Removes letters that may go. `skip`: how many waiting ones are older than their page, or -1 where
-- they are not known to wait.
local function remove_letters(q, ids, skip)
  local places = skip >= 0 and find_letter_places(q, skip, #ids + CLAIMED_MEANWHILE) or {}
  local taken = { places = {} }
  for _, id in ipairs(ids) do
    local place = places[id]
    if place then
      taken.places[#taken.places + 1] = place - skip
      delete_job(q.base .. id)
      emit(q, 'removed', 'jobId', id, 'prev', 'wait')
    else
      remove_one(q, id)
    end
  end
  if #taken.places > 0 then
    take_out_of_list(q.wait, skip, taken)
  end
end
