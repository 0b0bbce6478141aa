-- What time brings about, in one round trip: jobs that are due join their queue's line; those that came too late, or were
-- cancelled while they waited, end; those of paused kinds are held, and let go when their kind is resumed. Answers which of
-- the queues $2 have work, and which of worker $3's runs to stop. Queues that the caller knows to have work carry `false` in $4
-- and are not looked at; $5 and $6 say from where on to look at the others, as in `claim.sql`.
WITH RECURSIVE promoted AS (
  UPDATE queue.jobs
  SET state = 'available'
  WHERE id = ANY (ARRAY( -- a join would read the whole table once the plan is generic
    SELECT id
    FROM queue.jobs
    WHERE state = 'scheduled'
      AND run_at <= coalesce($1::timestamptz, now())
      AND (expires_at IS NULL OR expires_at > coalesce($1, now()))
      AND cancel_requested_at IS NULL
    ORDER BY run_at
    LIMIT 2000
    FOR UPDATE SKIP LOCKED
  ))
  RETURNING queue
),
over AS (
  DELETE FROM queue.jobs
  WHERE id = ANY (ARRAY(
    SELECT id
    FROM queue.jobs
    WHERE id = ANY (ARRAY(
        SELECT id FROM queue.jobs
        WHERE expires_at <= coalesce($1, now()) AND expires_at IS NOT NULL AND state <> 'running'
        UNION ALL
        SELECT id FROM queue.jobs
        WHERE cancel_requested_at IS NOT NULL AND worker_id IS NULL
      ))
      AND workflow_id IS NULL -- those of workflows move their workflow, too
      AND state <> 'running'
    LIMIT 500
    FOR UPDATE SKIP LOCKED
  ))
  RETURNING id, queue, kind, version, priority, run_at, args, attempt, max_attempts, lease, rescues, expires_at, unique_key,
            unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
            concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
            last_error, cancel_requested_at, cancel_reason,
            created_at
),
history AS (
  INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, rescues,
                                   expires_at, unique_key, unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
                                   concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                                   last_error, reason, created_at, finished_at)
  SELECT id, queue, kind, version, CASE WHEN cancel_requested_at IS NULL THEN 'expired' ELSE 'cancelled' END, priority, run_at,
         args, attempt, max_attempts, lease, rescues, expires_at, unique_key, unique_while, subject_kind, subject_id, tags, actor,
         trace, parent_id,
         concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
         last_error, cancel_reason, created_at, now()
  FROM over
),
-- Claims leave jobs of paused kinds alone by themselves. They are held so that claims need not step over them again and again;
-- so only those are that stand at the front of a line. No index finds a line's jobs by kind: every claim would have to write it.
held AS (
  UPDATE queue.jobs
  SET state = 'held'
  WHERE id = ANY (ARRAY(
    SELECT id
    FROM queue.jobs
    WHERE id = ANY (ARRAY(
        SELECT front.id
        FROM unnest($2::text[]) AS mine (name)
        CROSS JOIN LATERAL (
          (
            SELECT id, kind
            FROM queue.jobs
            WHERE queue = mine.name AND state = 'available' AND lane IS NULL
            ORDER BY priority DESC, run_at, id
            LIMIT 2000
          )
          UNION ALL
          (
            SELECT id, kind
            FROM queue.jobs
            WHERE queue = mine.name AND state = 'available' AND lane IS NOT NULL
            ORDER BY lane, priority DESC, run_at, id
            LIMIT 2000
          )
        ) AS front
        WHERE EXISTS (SELECT FROM queue.paused_kinds) -- otherwise nothing is read
          AND front.kind = ANY (ARRAY(SELECT kind FROM queue.paused_kinds))
      ))
      AND state = 'available'
      AND cancel_requested_at IS NULL
      AND (expires_at IS NULL OR expires_at > coalesce($1, now()))
    FOR UPDATE SKIP LOCKED
  ))
  RETURNING id
),
held_kinds AS (
  (SELECT kind FROM queue.jobs WHERE state = 'held' ORDER BY kind LIMIT 1)
  UNION ALL
  SELECT next.kind
  FROM held_kinds
  CROSS JOIN LATERAL (
    SELECT j.kind FROM queue.jobs j WHERE j.state = 'held' AND j.kind > held_kinds.kind ORDER BY j.kind LIMIT 1
  ) next
),
let_go AS (
  UPDATE queue.jobs
  SET state = 'available'
  WHERE id = ANY (ARRAY(
    SELECT j.id
    FROM held_kinds
    CROSS JOIN LATERAL (
      SELECT id FROM queue.jobs WHERE state = 'held' AND kind = held_kinds.kind LIMIT 2000 FOR UPDATE SKIP LOCKED
    ) j
    WHERE held_kinds.kind <> ALL (ARRAY(SELECT kind FROM queue.paused_kinds))
  ))
  RETURNING queue
)
SELECT
  ARRAY(
    SELECT mine.name
    FROM unnest($2::text[], $4::boolean[], $5::smallint[], $6::timestamptz[]) AS mine (name, asked, priority, run_at)
    WHERE (mine.asked AND EXISTS (
             SELECT FROM queue.jobs j
             WHERE j.queue = mine.name
               AND j.state = 'available'
               AND j.lane IS NULL
               AND j.priority >= coalesce(mine.priority, -32768)
               AND j.run_at >= coalesce(mine.run_at, '-infinity')
           )
           OR mine.asked AND EXISTS (SELECT FROM queue.jobs WHERE queue = mine.name AND state = 'available' AND lane IS NOT NULL)
           OR mine.name IN (SELECT queue FROM promoted)
           OR mine.name IN (SELECT queue FROM let_go))
      AND NOT EXISTS (SELECT FROM queue.queues q WHERE q.name = mine.name AND q.paused_at IS NOT NULL)
  ) AS "busy!",
  ARRAY(
    SELECT mine.name
    FROM unnest($2) AS mine (name)
    WHERE EXISTS (SELECT FROM queue.jobs WHERE queue = mine.name AND state = 'available' AND lane IS NOT NULL)
  ) AS "limited!",
  ARRAY(
    SELECT queue FROM promoted UNION SELECT queue FROM let_go
  ) AS "grown!",
  ARRAY(
    SELECT name FROM queue.queues WHERE name = ANY ($2) AND paused_at IS NOT NULL
  ) AS "paused!",
  ARRAY(SELECT kind FROM queue.paused_kinds) AS "paused_kinds!",
  ARRAY(
    SELECT name FROM queue.queues WHERE name = ANY ($2) AND max_running IS NOT NULL
  ) AS "capped!",
  (SELECT count(*) FROM held) + (SELECT count(*) FROM let_go) AS "moved!",
  ARRAY(
    SELECT id FROM queue.jobs WHERE worker_id = $3 AND cancel_requested_at IS NOT NULL
  ) AS "cancelled!",
  EXISTS (SELECT FROM queue.workers WHERE id = $3 AND quiet_at IS NOT NULL) AS "quiet!",
  (SELECT count(*) FROM promoted) AS "promoted!",
  (SELECT count(*) FROM over) AS "ended!",
  EXISTS (SELECT FROM queue.steps WHERE state = 'waiting' AND wake_at <= coalesce($1, now()))
    OR EXISTS (SELECT FROM queue.workflows WHERE state = 'undoing')
    OR EXISTS (
      SELECT FROM queue.jobs
      WHERE expires_at <= coalesce($1, now()) AND expires_at IS NOT NULL AND state <> 'running' AND workflow_id IS NOT NULL
    )
    OR EXISTS (
      SELECT FROM queue.jobs
      WHERE cancel_requested_at IS NOT NULL AND worker_id IS NULL AND workflow_id IS NOT NULL
    ) AS "in_workflows!"
