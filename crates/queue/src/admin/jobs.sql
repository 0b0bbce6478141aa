-- Jobs by filter, hot and finished together, newest first.
SELECT id AS "id!: JobId", queue AS "queue!", kind AS "kind!", version AS "version!", state AS "state!: JobState",
       priority AS "priority!", run_at AS "run_at!", args AS "args!", attempt AS "attempt!", max_attempts AS "max_attempts!",
       rescues AS "rescues!", worker_id AS worker, started_at, expires_at, unique_key, subject_kind, subject_id, tags AS "tags!",
       actor, trace, parent_id AS "parent: JobId", last_error, reason, cancel_requested_at, created_at AS "created_at!",
       finished_at
FROM (
  SELECT id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, rescues, worker_id, started_at, expires_at,
         unique_key, subject_kind, subject_id, tags, actor, trace, parent_id, last_error, cancel_reason AS reason,
         cancel_requested_at, created_at, NULL::timestamptz AS finished_at
  FROM queue.jobs
  UNION ALL
  SELECT id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, rescues, NULL::uuid, NULL::timestamptz,
         expires_at, unique_key, subject_kind, subject_id, tags, actor, trace, parent_id, last_error, reason,
         NULL::timestamptz, created_at, finished_at
  FROM queue.finished_jobs
) AS job
WHERE ($1::bigint IS NULL OR id = $1)
  AND (cardinality($2::text[]) = 0 OR state = ANY ($2))
  AND ($3::text IS NULL OR queue = $3)
  AND ($4::text IS NULL OR kind = $4)
  AND ($5::text IS NULL OR subject_kind = $5)
  AND ($6::text IS NULL OR subject_id = $6)
  AND ($7::text IS NULL OR $7 = ANY (tags))
  AND ($8::text IS NULL OR last_error ILIKE '%' || $8 || '%')
  AND ($9::bigint IS NULL OR id < $9)
ORDER BY id DESC
LIMIT $10
