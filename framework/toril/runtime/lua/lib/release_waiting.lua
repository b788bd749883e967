--- include lib/dedup
--- include lib/requeue_next

-- Lets the job that waited for this one's deduplication id follow it.
local function release_waiting_for(q, job, now_ms)
  release_dedup(q, job.id, job.dedup_id)
  q.has_requeued = requeue_next(q, job.dedup_id, now_ms) or q.has_requeued
end
