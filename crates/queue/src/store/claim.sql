-- One round trip, one commit: the next jobs of a queue that this worker understands, leased to it. Those under no limit of
-- their own: jobs with a lane go by `claim_lanes.sql`. `jobs_claim` holds the line in its order, without them. A queue with a
-- limit over all processes is left alone unless the caller holds its lock.
--
-- A job that was claimed leaves an entry at the head of `jobs_claim` until the table is vacuumed, which an old snapshot somewhere
-- keeps from happening. A caller who knows up to where the line is worked off says so by $8 and $9, and the scan begins there.
WITH next AS MATERIALIZED (
  SELECT id
  FROM queue.jobs
  WHERE queue = $1
    AND state = 'available'
    AND lane IS NULL
    AND priority >= coalesce($8::smallint, -32768)
    AND run_at >= coalesce($9::timestamptz, '-infinity')
    -- CASE: as separate conditions they look to the planner as if hardly any job met them, and it would sort the whole line.
    AND CASE WHEN version <= ($4::smallint[])[array_position($3::text[], kind)] -- NULL for a kind it does not know
              AND kind <> ALL (ARRAY(SELECT kind FROM queue.paused_kinds))
              AND (expires_at IS NULL OR expires_at > coalesce($6::timestamptz, now()))
             THEN true ELSE false END
    AND NOT EXISTS (SELECT FROM queue.queues WHERE name = $1 AND (paused_at IS NOT NULL OR (max_running IS NOT NULL AND NOT $7)))
    AND NOT EXISTS (SELECT FROM queue.workers WHERE id = $5 AND lost_at IS NOT NULL) -- whoever was given up would lose it at once
  ORDER BY priority DESC, run_at, id
  LIMIT $2
  FOR UPDATE SKIP LOCKED
)
UPDATE queue.jobs j
SET state = 'running',
    attempt = j.attempt + 1,
    lease = j.lease + 1,
    worker_id = $5,
    started_at = now()
WHERE j.id = ANY (ARRAY(SELECT id FROM next)) -- a join would read the whole table once the plan is generic
RETURNING j.id, j.lease, j.queue, j.kind, j.version, j.args, j.attempt, j.max_attempts, j.priority, j.run_at, j.trace, j.actor,
          j.workflow_id, j.step, j.child, j.lane, j.redact,
          extract(epoch FROM greatest(now() - greatest(j.run_at, j.created_at), interval '0'))::float8 AS "waited!"
