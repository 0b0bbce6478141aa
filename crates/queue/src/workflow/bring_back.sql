-- Jobs of the steps ($1, $2) that are over and did not do what they should come back to be run again, under their numbers; with
-- $3 those that should have undone the step. Answers per step how many left the history and how many came back: fewer,
-- when another job has taken a unique key meanwhile.
WITH back AS (
  DELETE FROM queue.finished_jobs f
  USING unnest($1::bigint[], $2::text[]) AS s (workflow_id, step)
  WHERE f.workflow_id = s.workflow_id AND f.step = s.step AND f.state <> 'done' AND (coalesce(f.child, 0) < 0) = $3::boolean
  RETURNING f.id, f.queue, f.kind, f.version, f.priority, f.args, f.max_attempts, f.lease, f.unique_key, f.unique_while,
            f.subject_kind, f.subject_id, f.tags, f.actor, f.trace, f.parent_id,
            f.concurrency_key, f.concurrency_limit, f.rate_key, f.workflow_id, f.step, f.child, f.redact,
            f.last_error, f.created_at
),
waiting AS (
  INSERT INTO queue.jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, unique_key,
                          unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
                          concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                          last_error, created_at)
  SELECT id, queue, kind, version, 'available', priority, now(), args, 0, max_attempts, lease + 1, unique_key, unique_while,
         subject_kind, subject_id, tags, actor, trace, parent_id,
         concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
         last_error, created_at
  FROM back
  ORDER BY id
  ON CONFLICT DO NOTHING
  RETURNING id
)
SELECT back.workflow_id AS "workflow!", back.step AS "step!", count(*) AS "gone!", count(waiting.id) AS "back!"
FROM back
LEFT JOIN waiting ON waiting.id = back.id
GROUP BY back.workflow_id, back.step
