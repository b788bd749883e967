--- include lib/settings

-- Limits per key: of each limit of the queue (`t:k` in meta, a JSON array) a job names its key (`t:k`
-- of its hash), or none. Jobs that hold a slot of a key are in a set; those that wait for one are
-- in `delayed`, and in a list in their order. The first of them is due when its turn comes, or
-- soon, in case a release was lost; the others wait far longer. Once it may start it joins the
-- ring, in which keys take turns.

-- The limits of the queue: {max_active or 0, starts or 0, their duration in ms} each; nil for none.
local function key_limits(q)
  if q.limits == nil then
    q.limits = false
    local json = settings_of(q).limits_json
    if json then
      --- include lib/parse_array
      q.limits = parse_array(json) or false
    end
  end
  return q.limits or nil
end

local function ring_of(q)
  return q.base .. 'meta:t:ring'
end
