--[[
  Makes a queue known to BullMQ's tools, which find queues by their `meta`.
  BullMQ: none (its Queue constructor)

  KEYS[n] meta           of each queue
  ARGV[1] version        what wrote the queue; a version that is there already stays
  Returns nothing
  Events: none
]]

local version = ARGV[1]

for _, meta in ipairs(KEYS) do
  redis.call('HSETNX', meta, 'opts.maxLenEvents', '10000')
  redis.call('HSETNX', meta, 'version', version)
end
