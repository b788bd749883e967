--- include lib/oldest_ids
--- include lib/remove_jobs
--- include lib/pending_tick

local FIELDS = { 'rjk', 'finishedOn', 'processedOn', 'timestamp' }

local function read_fields(q, id)
  local values, fields = redis.pcall('HMGET', q.base .. id, unpack(FIELDS)), {}
  for n, name in ipairs(FIELDS) do
    fields[name] = values[n]
  end
  return fields
end

-- Looks at `size` jobs of a state behind the `skip` first ones, and removes those that may go; a
-- scheduler's next tick stays. Gives the removed ids, how many it looked at, and how many stay.
local function remove_batch(q, state, skip, size, may_go)
  local ids, taken = oldest_ids(q, state, skip, size), { ids = {}, places = {} }
  for place, id in ipairs(ids) do
    local fields = read_fields(q, id)
    local is_tick = fields.rjk and pending_tick(q, fields.rjk) == id
    if not is_tick and may_go(id, fields) then
      taken.ids[#taken.ids + 1] = id
      taken.places[#taken.places + 1] = place
    end
  end
  take_out_ids(q, state, skip, taken, #ids)
  remove_jobs(q, taken.ids)
  return taken.ids, #ids, #ids - #taken.ids
end
