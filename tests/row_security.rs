//! Row-level security, table by table, as every other person. Alice sells, Bob bought from her, Carol is a stranger; each has
//! rows in the tables that can hold theirs. The matrix below is the whole truth of who sees how many of them and who may touch
//! them: a new table fails this story until somebody has decided.
//!
//! Proves: SEC-02, SEC-06

use crate::support::database::Database;
use sqlx::{Connection, Executor, PgConnection, Row};
use std::fmt::Write;

const ALICE: &str = "00000000-0000-7000-8000-00000000a11c";
const BOB: &str = "00000000-0000-7000-8000-000000000b0b";
const CAROL: &str = "00000000-0000-7000-8000-000000000ca1";

/// Tables that hold nothing of anybody's and need no policy.
const WITHOUT_OWNER: &[&str] = &["_sqlx_migrations", "rate_limits"];

/// One row of everything: Alice's product with a version in the making, Bob's order of it.
const WORLD: &str = include_str!("support/world.sql");

#[tokio::test]
async fn everybody_sees_what_is_theirs_and_touches_nothing_else() {
    let database = Database::create().await;
    let mut owner = database.superuser().await;
    owner.execute(sqlx::AssertSqlSafe(WORLD.to_owned())).await.expect("the world is made");

    let tables = sqlx::query_scalar::<_, String>(
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    let unprotected = sqlx::query_scalar::<_, String>(
        "SELECT relname::text FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT (relrowsecurity AND relforcerowsecurity)
         ORDER BY relname",
    )
    .fetch_all(&mut owner)
    .await
    .unwrap();
    assert_eq!(unprotected, WITHOUT_OWNER, "every other table is behind forced row-level security");

    let mut matrix = String::new();
    for table in tables.iter().filter(|t| !WITHOUT_OWNER.contains(&t.as_str())) {
        let all: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&mut owner).await.unwrap();
        assert!(all > 0, "the world has no row of {table}: add one to tests/support/world.sql");
        let change = change_of(&mut owner, table).await;
        let mut line = format!("{table:<23} of {all:>2}");
        for (who, id) in [("nobody", ""), ("alice", ALICE), ("bob", BOB), ("carol", CAROL)] {
            let sees = attempt(&database, id, &format!("SELECT count(*) FROM {table}")).await;
            let changes = attempt(&database, id, &change).await;
            let deletes =
                attempt(&database, id, &format!("WITH d AS (DELETE FROM {table} RETURNING 1) SELECT count(*) FROM d")).await;
            write!(line, " | {who} sees {sees} changes {changes} deletes {deletes}").unwrap();
        }
        writeln!(matrix, "{line}").unwrap();
    }
    insta::assert_snapshot!("row_security_matrix", matrix);
}

#[tokio::test]
async fn books_and_audit_are_append_only_even_for_their_owner() {
    let database = Database::create().await;
    let mut owner = database.superuser().await;
    owner.execute(sqlx::AssertSqlSafe(WORLD.to_owned())).await.expect("the world is made");
    for table in ["audit_log", "ledger_entries", "ledger_postings"] {
        for act in ["UPDATE {} SET id = DEFAULT", "DELETE FROM {}", "TRUNCATE {} CASCADE"] {
            let act = act
                .replace("{}", table)
                .replace("id = DEFAULT", if table == "ledger_entries" { "description = ''" } else { "id = DEFAULT" });
            let error = owner.execute(sqlx::AssertSqlSafe(act.clone())).await.expect_err(&act);
            assert!(error.to_string().contains("append-only"), "{act}: {error}");
        }
    }
    let fewer = owner.execute("UPDATE licence_downloads SET count = 0").await.expect_err("downloads undone");
    assert!(fewer.to_string().contains("never down"), "{fewer}");
    let unbalanced = "INSERT INTO ledger_postings (entry_id, account_id, amount_cents) SELECT e.id, a.id, 1 FROM ledger_entries e, ledger_accounts a LIMIT 1";
    let error = owner.execute(unbalanced).await.expect_err("an entry over by a cent");
    assert!(error.to_string().contains("does not balance"), "{error}");
}

/// What the web tier gets when `user` acts: a count, or `no` where the role may not even try. Nothing of it stays.
async fn attempt(database: &Database, user: &str, sql: &str) -> String {
    let mut web = PgConnection::connect(database.url()).await.unwrap();
    web.execute("SET ROLE mywork_web; BEGIN").await.unwrap();
    if !user.is_empty() {
        let act = "SELECT set_config('app.user_id', $1, true), set_config('app.role', 'user', true)";
        sqlx::query(act).bind(user).execute(&mut web).await.unwrap();
    }
    let answer = match sqlx::query(sqlx::AssertSqlSafe(sql.to_owned())).fetch_one(&mut web).await {
        Ok(row) => row.get::<i64, _>(0).to_string(),
        Err(error) => refused(&error),
    };
    web.execute("ROLLBACK").await.unwrap();
    web.close().await.unwrap();
    answer
}

/// An update of a column to itself, which tells how many rows may be changed.
async fn change_of(owner: &mut PgConnection, table: &str) -> String {
    let column: String = sqlx::query_scalar(
        "SELECT attname::text FROM pg_attribute
         WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = '' AND attgenerated = '' ORDER BY attnum LIMIT 1",
    )
    .bind(table)
    .fetch_one(owner)
    .await
    .unwrap();
    format!("WITH u AS (UPDATE {table} SET {column} = {column} RETURNING 1) SELECT count(*) FROM u")
}

fn refused(error: &sqlx::Error) -> String {
    let code = error.as_database_error().and_then(|e| e.code().map(|c| c.to_string())).unwrap_or_default();
    match code.as_str() {
        "42501" => "no".into(),
        // Another row still needs this one: it was there to be deleted.
        "23503" => "referenced".into(),
        _ => panic!("{error}"),
    }
}
