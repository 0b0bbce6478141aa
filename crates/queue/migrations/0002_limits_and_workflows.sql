-- Limits, workflows, statistics, bulk acts: everything that was added after the first release. Jobs that use none of it cost
-- what they did: the claim of unlimited jobs reads an index of its own, and a job outside a workflow touches none of its tables.

-- ─── Jobs know their limits, their workflow, and what of them must not be shown ─────────────────────────────────────────

ALTER TABLE queue.jobs
  ADD concurrency_key   text,                                   -- at most `concurrency_limit` jobs with this key run at once
  ADD concurrency_limit smallint,
  ADD rate_key          text,                                   -- the bucket its runs draw from: `stripe`, `webhooks:endpoint-7`
  ADD lane              text GENERATED ALWAYS AS (coalesce(concurrency_key, rate_key)) STORED, -- lanes of a queue take turns
  ADD workflow_id       bigint,
  ADD step              text,
  ADD child             integer,                                -- which of a fan-out's jobs; NULL for a step of one job
  ADD redact            text[] NOT NULL DEFAULT '{}',           -- paths into args that are never shown
  DROP CONSTRAINT jobs_state,
  ADD CONSTRAINT jobs_state CHECK (state IN ('scheduled', 'available', 'held', 'running')), -- held: in line, but its kind is paused
  ADD CONSTRAINT jobs_concurrency CHECK ((concurrency_key IS NULL) = (concurrency_limit IS NULL) AND concurrency_limit > 0),
  ADD CONSTRAINT jobs_step CHECK ((workflow_id IS NULL) = (step IS NULL) AND (child IS NULL OR step IS NOT NULL));

ALTER TABLE queue.finished_jobs
  ADD concurrency_key   text,
  ADD concurrency_limit smallint,
  ADD rate_key          text,
  ADD workflow_id       bigint,
  ADD step              text,
  ADD child             integer,
  ADD redact            text[] NOT NULL DEFAULT '{}';

DROP INDEX queue.jobs_claim;
CREATE INDEX jobs_claim ON queue.jobs (queue, priority DESC, run_at, id) WHERE state = 'available' AND lane IS NULL;
CREATE INDEX jobs_claim_lane ON queue.jobs (queue, lane, priority DESC, run_at, id) WHERE state = 'available' AND lane IS NOT NULL;
CREATE INDEX jobs_concurrency_running ON queue.jobs (concurrency_key) WHERE state = 'running' AND concurrency_key IS NOT NULL;
CREATE INDEX jobs_held ON queue.jobs (kind) WHERE state = 'held';
CREATE INDEX jobs_workflow ON queue.jobs (workflow_id, step) WHERE workflow_id IS NOT NULL;
CREATE INDEX finished_jobs_workflow ON queue.finished_jobs (workflow_id, step) WHERE workflow_id IS NOT NULL;
CREATE INDEX finished_jobs_kind ON queue.finished_jobs (kind, id);

ALTER TABLE queue.attempts
  DROP CONSTRAINT attempts_outcome,
  ADD CONSTRAINT attempts_outcome
    CHECK (outcome IN ('done', 'snoozed', 'throttled', 'cancelled', 'handed_back', 'retried', 'dead', 'lost'));

ALTER TABLE queue.schedules
  ADD rate   text,                                              -- as the code has them for the kind
  ADD redact text[] NOT NULL DEFAULT '{}';

-- The log of a run in progress, for whoever watches; the attempt keeps it when the run ends.
ALTER TABLE queue.progress
  ALTER done SET DEFAULT 0,
  ALTER total SET DEFAULT 0,
  ALTER message SET DEFAULT '',
  ADD lease integer NOT NULL DEFAULT 0,                         -- the run whose log it is
  ADD log text NOT NULL DEFAULT '';

-- ─── Limits ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

ALTER TABLE queue.queues
  ADD max_running integer,                                      -- over all processes; NULL: as many as there are slots
  ADD CONSTRAINT queues_max_running CHECK (max_running > 0);

-- Kinds somebody has paused. Their jobs in line are `held`, so that claims need not step over them.
CREATE TABLE queue.paused_kinds (
  kind         text        PRIMARY KEY,
  paused_at    timestamptz NOT NULL DEFAULT now(),
  pause_reason text        NOT NULL
);

-- Token buckets by name, as `workers.toml` last said: `permits` tokens every `per_seconds`, at most `burst` at once.
CREATE TABLE queue.rates (
  name        text             PRIMARY KEY,
  permits     double precision NOT NULL,
  per_seconds double precision NOT NULL,
  burst       double precision NOT NULL,
  updated_at  timestamptz      NOT NULL DEFAULT now(),
  CONSTRAINT rates_positive CHECK (permits > 0 AND per_seconds > 0 AND burst >= 1)
);

-- How full each bucket is. A key is a rate's name, or that with `:` and what it is kept apart by. Written by claims, under a
-- lock on the row, so the rate holds over all processes; a bucket that is paused waits for a provider that said 429.
CREATE TABLE queue.buckets (
  key          text             PRIMARY KEY,
  tokens       double precision NOT NULL,
  refilled_at  timestamptz      NOT NULL,
  empty_until  timestamptz,                                     -- when the next token is due, if the last claim left none
  paused_until timestamptz,
  pause_reason text
) WITH (fillfactor = 50, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0);

-- ─── Workflows ──────────────────────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE queue.workflows (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name         text        NOT NULL,                            -- `catalog.publish`
  state        text        NOT NULL DEFAULT 'running',
  unique_key   text,                                            -- at most one open workflow of this name and key
  subject_kind text,
  subject_id   text,
  open_steps   integer     NOT NULL,
  on_failure   text        NOT NULL DEFAULT 'wait',             -- for a person, or undo what was done
  root_id      bigint      NOT NULL,                            -- the outermost; its row is the lock for all within it
  parent_id    bigint      REFERENCES queue.workflows (id) ON DELETE CASCADE,
  parent_step  text,
  actor        uuid,
  trace        text,
  reason       text,                                            -- why it failed or was cancelled
  created_at   timestamptz NOT NULL DEFAULT now(),
  finished_at  timestamptz,
  CONSTRAINT workflows_state CHECK (state IN ('held', 'running', 'failed', 'undoing', 'done', 'cancelled', 'undone')),
  CONSTRAINT workflows_on_failure CHECK (on_failure IN ('wait', 'undo')),
  CONSTRAINT workflows_subject CHECK ((subject_kind IS NULL) = (subject_id IS NULL)),
  CONSTRAINT workflows_parent CHECK ((parent_id IS NULL) = (parent_step IS NULL)),
  CONSTRAINT workflows_finished CHECK ((finished_at IS NOT NULL) = (state IN ('done', 'cancelled', 'undone')))
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX workflows_unique ON queue.workflows (name, unique_key) WHERE unique_key IS NOT NULL AND finished_at IS NULL;
CREATE INDEX workflows_subject ON queue.workflows (subject_kind, subject_id) WHERE subject_id IS NOT NULL;
CREATE INDEX workflows_parent ON queue.workflows (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX workflows_root ON queue.workflows (root_id);
CREATE INDEX workflows_state ON queue.workflows (state, id);

-- A step of a workflow: a job, many jobs (fan-out), an event waited for, a durable sleep, or another workflow.
CREATE TABLE queue.steps (
  workflow_id bigint      NOT NULL REFERENCES queue.workflows (id) ON DELETE CASCADE,
  name        text        NOT NULL,
  ordinal     integer     NOT NULL,                             -- place in the definition
  kind        text        NOT NULL,
  state       text        NOT NULL DEFAULT 'blocked',
  blockers    integer     NOT NULL,                             -- what it still waits for: needs not done, and shards of its fan-out
  job         jsonb,                                            -- what to enqueue when it is released
  undo        jsonb,                                            -- what to enqueue to undo it
  wait_seconds double precision,                                -- of a sleep, or an event's deadline, from its release on
  on_deadline text,                                             -- `fail` or `go_on`
  wake_at     timestamptz,                                      -- when the sleep ends or the deadline passes
  arrived     jsonb,                                            -- an event that came before anybody waited for it
  output      jsonb,
  reason      text,                                             -- why it failed, was cancelled or left out
  started_at  timestamptz,
  finished_at timestamptz,
  PRIMARY KEY (workflow_id, name),
  CONSTRAINT steps_kind CHECK (kind IN ('job', 'fan_out', 'event', 'sleep', 'workflow')),
  CONSTRAINT steps_state CHECK (state IN ('blocked', 'running', 'waiting', 'done', 'failed', 'cancelled', 'undoing', 'undone')),
  CONSTRAINT steps_blockers CHECK (blockers >= 0),
  CONSTRAINT steps_on_deadline CHECK (on_deadline IN ('fail', 'go_on'))
) WITH (fillfactor = 70);
CREATE INDEX steps_wake ON queue.steps (wake_at) WHERE wake_at IS NOT NULL AND state = 'waiting';

-- `step` waits for `needs`.
CREATE TABLE queue.step_needs (
  workflow_id bigint NOT NULL,
  step        text   NOT NULL,
  needs       text   NOT NULL,
  PRIMARY KEY (workflow_id, needs, step),
  FOREIGN KEY (workflow_id, step) REFERENCES queue.steps (workflow_id, name) ON DELETE CASCADE,
  FOREIGN KEY (workflow_id, needs) REFERENCES queue.steps (workflow_id, name) ON DELETE CASCADE
);

-- The jobs of a fan-out from when they are known until it is released. A table of its own, so that a handler that fills one in
-- keeps nobody from moving its workflow.
CREATE TABLE queue.fan_outs (
  workflow_id bigint NOT NULL,
  step        text   NOT NULL,
  jobs        jsonb  NOT NULL,
  PRIMARY KEY (workflow_id, step),
  FOREIGN KEY (workflow_id, step) REFERENCES queue.steps (workflow_id, name) ON DELETE CASCADE
);

-- A fan-out's children are counted down in shards of neighbours, each by the transaction that ends its last children, so that
-- ten thousand of them touch no common row more than a few dozen times.
CREATE TABLE queue.fan_out_shards (
  workflow_id bigint  NOT NULL,
  step        text    NOT NULL,
  shard       integer NOT NULL,
  remaining   integer NOT NULL,
  PRIMARY KEY (workflow_id, step, shard),
  FOREIGN KEY (workflow_id, step) REFERENCES queue.steps (workflow_id, name) ON DELETE CASCADE,
  CONSTRAINT fan_out_shards_remaining CHECK (remaining >= 0)
) WITH (fillfactor = 50);

-- What the children of a fan-out answered.
CREATE TABLE queue.outputs (
  workflow_id bigint  NOT NULL,
  step        text    NOT NULL,
  child       integer NOT NULL,
  output      jsonb   NOT NULL,
  PRIMARY KEY (workflow_id, step, child),
  FOREIGN KEY (workflow_id, step) REFERENCES queue.steps (workflow_id, name) ON DELETE CASCADE
);

-- ─── What the dashboard shows without reading the history ──────────────────────────────────────────────────────────────

-- Runs by minute, after two hours by the quarter, after a day by the hour. Processes add what they counted every few seconds: a chart, not the books.
CREATE TABLE queue.run_counts (
  minute     timestamptz      NOT NULL,
  queue      text             NOT NULL,
  kind       text             NOT NULL,
  outcome    text             NOT NULL,
  release    text             NOT NULL,
  runs       bigint           NOT NULL,
  seconds    double precision NOT NULL,                         -- of work, in all
  waited     double precision NOT NULL,                         -- of standing in line, in all
  slowest    double precision NOT NULL,
  PRIMARY KEY (minute, kind, queue, outcome, release)
) WITH (fillfactor = 50);

-- Failed runs by hour and fingerprint.
CREATE TABLE queue.error_counts (
  hour         timestamptz NOT NULL,
  fingerprint  text        NOT NULL,
  kind         text        NOT NULL,
  error_class  text,
  runs         bigint      NOT NULL,
  latest_error text        NOT NULL,
  latest_job   bigint      NOT NULL,
  first_at     timestamptz NOT NULL,
  last_at      timestamptz NOT NULL,
  PRIMARY KEY (hour, fingerprint, kind)
) WITH (fillfactor = 50);

ALTER TABLE queue.workers
  ADD memory_bytes bigint,
  ADD quiet_at     timestamptz;                                 -- somebody asked it to take no new jobs

-- How long a job may stand in a queue's line before somebody is told.
ALTER TABLE queue.queues
  ADD alert_after_seconds integer,                              -- NULL: ten minutes
  ADD CONSTRAINT queues_alert_after CHECK (alert_after_seconds > 0);

-- ─── Finding jobs ───────────────────────────────────────────────────────────────────────────────────────────────────────

-- A state few jobs end in is looked for by itself or with a kind; every other filter goes by kind or by number. The history is
-- written in the order of time, so a BRIN index finds where a time begins and costs a finished job nothing.
CREATE INDEX finished_jobs_failed_kind ON queue.finished_jobs (state, kind, id) WHERE state <> 'done';
CREATE INDEX finished_jobs_time ON queue.finished_jobs USING brin (finished_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX finished_jobs_parent ON queue.finished_jobs (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX finished_jobs_trace ON queue.finished_jobs USING hash (left(trace, 35)) WHERE trace IS NOT NULL; -- version and trace id
DROP INDEX queue.attempts_fingerprint;
CREATE INDEX attempts_fingerprint ON queue.attempts (fingerprint, job_id) WHERE fingerprint IS NOT NULL;

-- Jobs that a filter of the dashboard (`wanted`, as its program writes it) may mean, and whether it means each. What an index
-- knows decides which jobs come; the rest decides `matches`, so that whoever asks can bound how many are looked at. `lane` is
-- 'unfinished', 'finished', a state that has an index of its own, or NULL for all. Days of the history before `since` and from
-- `until` on are not opened; `among` are the only numbers that may be meant, unless it is NULL. Inlined: plan it with the filter at hand, and the conditions that it does not set are gone.
CREATE FUNCTION queue.look(wanted jsonb, lane text, since timestamptz, until timestamptz, among bigint[])
RETURNS TABLE (id bigint, state text, kind text, created_at timestamptz, finished_at timestamptz, matches boolean)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT job.id, job.state, job.kind, job.created_at, job.finished_at,
         (wanted -> 'states' IS NULL OR wanted -> 'states' ? job.state)
     AND (wanted ->> 'queue' IS NULL OR job.queue = wanted ->> 'queue')
     AND (wanted ->> 'tag' IS NULL OR job.tags @> ARRAY[wanted ->> 'tag'])
     AND (wanted ->> 'error' IS NULL OR coalesce(strpos(lower(job.last_error), lower(wanted ->> 'error')) > 0, false))
     AND (wanted ->> 'actor' IS NULL OR job.actor IS NOT DISTINCT FROM (wanted ->> 'actor')::uuid)
     AND (wanted ->> 'from' IS NULL OR coalesce(job.finished_at, job.created_at) >= (wanted ->> 'from')::timestamptz)
     AND (wanted ->> 'to' IS NULL OR coalesce(job.finished_at, job.created_at) < (wanted ->> 'to')::timestamptz)
     AND (wanted -> 'arg' IS NULL
          OR (job.args #>> string_to_array(wanted #>> '{arg,path}', '.') IS NOT DISTINCT FROM wanted #>> '{arg,value}'
              AND NOT EXISTS (SELECT FROM unnest(job.redact) AS hidden (path)
                              WHERE hidden.path = wanted #>> '{arg,path}'
                                 OR starts_with(wanted #>> '{arg,path}', hidden.path || '.')
                                 OR starts_with(hidden.path, (wanted #>> '{arg,path}') || '.'))))
     AND (wanted ->> 'worker' IS NULL
          OR job.worker_id IS NOT DISTINCT FROM (wanted ->> 'worker')::uuid
          OR job.id IN (SELECT run.job_id FROM queue.attempts run WHERE run.worker_id = (wanted ->> 'worker')::uuid))
  FROM (
    SELECT id, state, queue, kind, args, run_at, worker_id, subject_kind, subject_id, tags, actor, redact, workflow_id, last_error,
           created_at, NULL::timestamptz AS finished_at, false AS is_over
    FROM queue.jobs
    UNION ALL
    SELECT id, state, queue, kind, args, run_at, NULL::uuid, subject_kind, subject_id, tags, actor, redact, workflow_id, last_error,
           created_at, finished_at, true
    FROM queue.finished_jobs
  ) AS job
  WHERE (lane IS NULL OR job.is_over = (lane NOT IN ('unfinished', 'held', 'running')))
    AND (lane IS NULL OR lane IN ('unfinished', 'finished') OR job.state = lane)
    AND (wanted ->> 'kind' IS NULL OR job.kind = wanted ->> 'kind')
    AND (wanted -> 'subject' IS NULL
         OR (job.subject_kind = wanted #>> '{subject,kind}' AND job.subject_id = wanted #>> '{subject,id}'))
    AND (wanted ->> 'workflow' IS NULL OR job.workflow_id = (wanted ->> 'workflow')::bigint)
    AND (among IS NULL OR job.id = ANY (among))
    AND (since IS NULL OR NOT job.is_over OR job.finished_at >= since)
    AND (until IS NULL OR NOT job.is_over OR job.finished_at < until)
$$;

-- ─── Bulk acts ──────────────────────────────────────────────────────────────────────────────────────────────────────────

-- One act on all jobs that a filter finds. It waits out its time to be undone, then a job of its own does it piece by piece.
CREATE TABLE queue.bulk_acts (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  act          text        NOT NULL,
  filter       jsonb       NOT NULL,
  details      jsonb       NOT NULL DEFAULT '{}',               -- of the act: a new time, say
  reason       text        NOT NULL,
  state        text        NOT NULL DEFAULT 'waiting',
  matched      bigint      NOT NULL,                            -- by the dry run
  up_to        bigint      NOT NULL,                            -- jobs enqueued after it was asked for are left alone
  after_id     bigint      NOT NULL DEFAULT 0,                  -- everything up to here has been acted on
  done         bigint      NOT NULL DEFAULT 0,
  refused      bigint      NOT NULL DEFAULT 0,
  asked_by     uuid,
  approved_by  uuid,                                            -- where a second person is needed
  needs_second boolean     NOT NULL DEFAULT false,
  job_id       bigint,
  undo_until   timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now(),
  finished_at  timestamptz,
  CONSTRAINT bulk_acts_act CHECK (act IN ('retry', 'cancel', 'discard', 'reschedule')),
  CONSTRAINT bulk_acts_state CHECK (state IN ('proposed', 'waiting', 'running', 'done', 'undone', 'stopped')),
  CONSTRAINT bulk_acts_two_people CHECK (approved_by <> asked_by)
);

-- ─── Upkeep ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

-- What `queue.maintain` drops besides days of history.
CREATE FUNCTION queue.prune(keep_failed_days integer DEFAULT 90)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = queue, pg_catalog, pg_temp AS $$
DECLARE
  pruned  integer := 0;
  changed integer;
BEGIN
  DELETE FROM queue.workflows -- and with them what is within them
  WHERE parent_id IS NULL AND finished_at < now() - make_interval(days => keep_failed_days);
  GET DIAGNOSTICS changed = ROW_COUNT;
  pruned := pruned + changed;
  DELETE FROM queue.run_counts WHERE minute < now() - interval '8 days';
  -- Charts of a day count by the quarter of an hour, those of a week by the hour: older minutes are added to those.
  WITH folded AS (
    DELETE FROM queue.run_counts
    WHERE (minute < date_trunc('hour', now() - interval '2 hours', 'UTC')
           AND minute <> date_bin('15 minutes', minute, timestamptz '2000-01-01 00:00Z'))
       OR (minute < date_trunc('hour', now() - interval '25 hours', 'UTC')
           AND minute <> date_trunc('hour', minute, 'UTC'))
    RETURNING CASE WHEN minute < date_trunc('hour', now() - interval '25 hours', 'UTC') THEN date_trunc('hour', minute, 'UTC')
                   ELSE date_bin('15 minutes', minute, timestamptz '2000-01-01 00:00Z') END AS into_minute,
              queue, kind, outcome, release, runs, seconds, waited, slowest
  )
  INSERT INTO queue.run_counts AS sum (minute, queue, kind, outcome, release, runs, seconds, waited, slowest)
  SELECT into_minute, queue, kind, outcome, release, sum(runs), sum(seconds), sum(waited), max(slowest)
  FROM folded
  GROUP BY 1, 2, 3, 4, 5
  ON CONFLICT (minute, kind, queue, outcome, release) DO UPDATE
  SET runs = sum.runs + excluded.runs, seconds = sum.seconds + excluded.seconds, waited = sum.waited + excluded.waited,
      slowest = greatest(sum.slowest, excluded.slowest);
  DELETE FROM queue.error_counts WHERE hour < now() - interval '31 days';
  DELETE FROM queue.bulk_acts WHERE finished_at < now() - make_interval(days => keep_failed_days);
  -- A bucket that is full again is as good as none; one of a slow rate may take longer than a day to be.
  DELETE FROM queue.buckets b
  WHERE b.refilled_at < now() - interval '1 day'
    AND (b.paused_until IS NULL OR b.paused_until < now())
    AND NOT EXISTS (
      SELECT FROM queue.rates r
      WHERE r.name = split_part(b.key, ':', 1) AND b.refilled_at + make_interval(secs => r.burst / r.permits * r.per_seconds) > now()
    );
  RETURN pruned;
END $$;
REVOKE EXECUTE ON FUNCTION queue.prune FROM PUBLIC;

-- A day of history is made and dropped under a lock that waits for everybody who reads the history, and everybody who would
-- end a job waits behind it. So it is not waited for: days are made three ahead, and there is another try every hour.
ALTER FUNCTION queue.maintain(date, integer, integer) SET lock_timeout = '200ms';
