-- Three roles from the first migration (SEC-02). `mywork_migrate` owns every table, `mywork_web` is subject to row-level
-- security, `mywork_worker` passes by a policy of its own. None can log in: a login role is a member and does SET ROLE,
-- or the operator makes three logins and grants one role to each.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['mywork_migrate', 'mywork_web', 'mywork_worker'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; -- roles belong to the cluster, not to the database
    END;
    EXECUTE format('GRANT %I TO CURRENT_USER', r);
  END LOOP;
END $$;

CREATE EXTENSION IF NOT EXISTS vector;

GRANT USAGE, CREATE ON SCHEMA public TO mywork_migrate;
GRANT USAGE ON SCHEMA public, queue TO mywork_web, mywork_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA queue TO mywork_web, mywork_worker;
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA queue TO mywork_web, mywork_worker;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA queue TO mywork_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA queue GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mywork_web, mywork_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA queue GRANT USAGE, SELECT ON SEQUENCES TO mywork_web, mywork_worker;

SET ROLE mywork_migrate;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO mywork_web, mywork_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO mywork_web, mywork_worker;

-- Who acts, as `db::begin` tells it for one transaction. Absent or empty means: nobody.
CREATE FUNCTION app_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE
  RETURN NULLIF(current_setting('app.user_id', true), '')::uuid;

-- True for an admin's transaction and for the system's own (sign-in, webhooks), which act before anybody is known.
CREATE FUNCTION app_privileged() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(current_setting('app.role', true), '') IN ('admin', 'system');

-- Puts a table behind row-level security: everything for the owner of the schema, the worker and privileged web
-- transactions; for everybody else the rows that `readable` admits, and writes on the rows that `writable` admits.
-- Leave `writable` NULL for a table that its owner may look at and only the system changes.
CREATE PROCEDURE app_protect(target regclass, readable text, writable text DEFAULT NULL) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
  EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
  EXECUTE format('CREATE POLICY migrate_all ON %s TO mywork_migrate USING (true) WITH CHECK (true)', target);
  EXECUTE format('CREATE POLICY worker_all ON %s TO mywork_worker USING (true) WITH CHECK (true)', target);
  EXECUTE format('CREATE POLICY web_privileged ON %s TO mywork_web USING (app_privileged()) WITH CHECK (app_privileged())', target);
  EXECUTE format('CREATE POLICY web_read ON %s FOR SELECT TO mywork_web USING (%s)', target, readable);
  IF writable IS NOT NULL THEN
    EXECUTE format('CREATE POLICY web_insert ON %s FOR INSERT TO mywork_web WITH CHECK (%s)', target, writable);
    EXECUTE format('CREATE POLICY web_update ON %s FOR UPDATE TO mywork_web USING (%s) WITH CHECK (%s)', target, writable, writable);
    EXECUTE format('CREATE POLICY web_delete ON %s FOR DELETE TO mywork_web USING (%s)', target, writable);
  END IF;
END $$;

-- Makes a table append-only for everybody: by privilege for the two roles that work with it, by trigger for its owner, who
-- keeps the privilege because foreign keys lock the rows they point to in the owner's name.
CREATE FUNCTION app_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE PROCEDURE app_append_only(target regclass) LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON %s FROM mywork_web, mywork_worker', target);
  EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION app_refuse_change()', target);
END $$;

RESET ROLE;
