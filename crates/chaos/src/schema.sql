-- What the jobs and their orderer write down, beside the queue's own tables.
CREATE SCHEMA chaos;

-- Everything enqueued, written in the transaction that enqueued it, and how it should end.
CREATE TABLE chaos.orders (
  key        text        PRIMARY KEY,
  job        bigint      NOT NULL,
  kind       text        NOT NULL,
  expects    text        NOT NULL,
  not_before timestamptz,
  ordered_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON chaos.orders (job);

-- Workflows begun, in the same way: one job, then many, a sleep, and a last one.
CREATE TABLE chaos.flows (
  key      text    PRIMARY KEY,
  workflow bigint  NOT NULL,
  children integer NOT NULL
);

-- The effect of a job: once, by its key.
CREATE TABLE chaos.effects (
  key text        PRIMARY KEY,
  job bigint      NOT NULL,
  at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON chaos.effects (job);

-- Each run as its handler saw it.
CREATE TABLE chaos.runs (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job        bigint      NOT NULL,
  key        text        NOT NULL,
  kind       text        NOT NULL,
  process    text        NOT NULL,
  limit_key  text,
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at   timestamptz,
  repeated   boolean     NOT NULL DEFAULT false                 -- its effect was there already
);
CREATE INDEX ON chaos.runs (job);
