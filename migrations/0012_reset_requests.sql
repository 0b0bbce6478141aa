-- A forgotten password: the address that somebody typed, which may belong to nobody we know. It waits here for its job, which
-- carries only the id and takes the row away, so that no address stays in the history of jobs.
SET ROLE mywork_migrate;

CREATE TABLE reset_requests (
  id        uuid        PRIMARY KEY,
  email     text        NOT NULL,                      -- in lower case
  asked_at  timestamptz NOT NULL,
  CONSTRAINT reset_requests_email_key UNIQUE (email)
);
CALL app_protect('reset_requests', 'false');

RESET ROLE;

-- Jobs of before carried the address. Those that wait still need it, and it is no longer shown; of those that are over it goes.
UPDATE queue.jobs SET redact = '{email}' WHERE kind = 'identity.send_reset_link';
UPDATE queue.finished_jobs SET args = '{}', unique_key = NULL, unique_while = NULL WHERE kind = 'identity.send_reset_link';
