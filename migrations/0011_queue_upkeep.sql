-- The queue's second migration brings a function that workers call; on a fresh database it is there when roles are granted
-- theirs, on one that is brought up to date it is not.
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA queue TO mywork_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA queue GRANT EXECUTE ON FUNCTIONS TO mywork_worker;
