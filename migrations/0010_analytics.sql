-- Figures that are counted from what people do, some seconds late.
SET ROLE mywork_migrate;

-- Batches of counted views that have been added up: a job that runs twice finds its batch here.
CREATE TABLE view_batches (
  id          uuid PRIMARY KEY,
  counted_at  timestamptz NOT NULL
);
CREATE INDEX view_batches_counted_idx ON view_batches (counted_at);
CALL app_protect('view_batches', 'false');

RESET ROLE;
