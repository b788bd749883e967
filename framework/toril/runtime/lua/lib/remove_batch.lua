--- include lib/oldest_ids
--- include lib/remove_jobs
--- include lib/pending_tick

local FIELDS = { 'parentKey', 'deid', 'rjk', 'finishedOn', 'processedOn', 'timestamp' }

-- Looks at `size` jobs of a state behind the `skip` first ones, and removes those that may go; a
-- scheduler's next tick stays. `may_go` is given a job's id, its end, its start and its add. Gives
-- the removed ids, how many it looked at, and how many of these stay.
local function remove_batch(q, state, skip, size, may_go)
  local ids, taken, links = oldest_ids(q, state, skip, size), { ids = {}, places = {} }, {}
  for place, id in ipairs(ids) do
    local fields = redis.pcall('HMGET', q.base .. id, unpack(FIELDS))
    local is_tick = fields[3] and pending_tick(q, fields[3]) == id
    if not is_tick and may_go(id, fields[4], fields[5], fields[6]) then
      local n = #taken.ids + 1
      taken.ids[n], taken.places[n], links[n] = id, place, fields
    end
  end
  take_out_ids(q, state, skip, taken, #ids)
  remove_jobs(q, taken.ids, links)
  return taken.ids, #ids, #ids - #taken.ids
end
