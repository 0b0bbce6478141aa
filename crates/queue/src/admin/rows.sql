-- Jobs by number, newest first. None of those that are over was so before $2, which keeps older days of the history unread.
SELECT id AS "id!", queue AS "queue!", kind AS "kind!", version AS "version!", state AS "state!: JobState",
       priority AS "priority!", run_at AS "run_at!", args AS "args!", attempt AS "attempt!", max_attempts AS "max_attempts!",
       rescues AS "rescues!", worker_id AS worker, started_at, expires_at, unique_key, subject_kind, subject_id, tags AS "tags!",
       actor, trace, parent_id AS parent, concurrency_key, rate_key, workflow_id AS workflow, step, child,
       redact AS "redact!", last_error, reason, cancel_requested_at, created_at AS "created_at!", finished_at
FROM (
  SELECT id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, rescues, worker_id, started_at, expires_at,
         unique_key, subject_kind, subject_id, tags, actor, trace, parent_id, concurrency_key, rate_key, workflow_id, step, child,
         redact, last_error, cancel_reason AS reason, cancel_requested_at, created_at, NULL::timestamptz AS finished_at
  FROM queue.jobs
  WHERE id = ANY ($1::bigint[])
  UNION ALL
  SELECT id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, rescues, NULL::uuid, NULL::timestamptz,
         expires_at, unique_key, subject_kind, subject_id, tags, actor, trace, parent_id, concurrency_key, rate_key, workflow_id,
         step, child, redact, last_error, reason, NULL::timestamptz, created_at, finished_at
  FROM queue.finished_jobs
  WHERE id = ANY ($1)
    AND finished_at >= coalesce($2::timestamptz, '-infinity')
) AS job
ORDER BY id DESC
