--- include lib/mark

-- Limits per key: of each limit of the queue (`t:k` in meta, a JSON array) a job names its key (`t:k`
-- of its hash), or none. Jobs that hold a slot of a key are in a set; those that wait for one are
-- in `delayed`, and in a list in their order. The first of them is due when its turn comes, or
-- soon, in case a release was lost; the others wait far longer. Once it may start it joins the
-- ring, in which keys take turns.

local function parse_array(text)
  local is_json, array = pcall(cjson.decode, text or '')
  return is_json and type(array) == 'table' and array or nil
end

-- The limits of the queue: {max_active or 0, starts or 0, their duration in ms} each; nil for none.
local function key_limits(q)
  is_paused(q)
  if q.limits == nil then
    q.limits = q.limits_json and parse_array(q.limits_json) or false
  end
  return q.limits or nil
end

local function ring_of(q)
  return q.base .. 'meta:t:ring'
end

-- Where all is kept of one key of one limit; the name begins with `P:Q:meta:t:k:NUMBER:`.
local function place_at(name)
  return { name = name, held = name .. ':held', starts = name .. ':starts', parked = name .. ':parked' }
end

-- The place of that name, and its limit; nil where the limit was taken away.
local function find_place(q, name)
  local number = string.match(string.sub(name, #q.base + 1), '^meta:t:k:(%d+):')
  local limit = (key_limits(q) or {})[tonumber(number)]
  if limit then
    return place_at(name), limit
  end
end

-- Calls visit(place, limit) for each limit that a job names a key of, until one gives a value.
local function visit_keys(q, keys_json, visit)
  local keys = parse_array(keys_json)
  for number, limit in ipairs(keys and key_limits(q) or {}) do
    if type(keys[number]) == 'string' then
      local found = visit(place_at(q.base .. 'meta:t:k:' .. number .. ':' .. keys[number]), limit)
      if found then
        return found
      end
    end
  end
end
