//! Calls to a vendor that move money, written and committed before they are made (spec 3, "Before each call to Stripe").
//!
//! ```text
//! begin ─▶ pending ─▶ (commit) ─▶ the call ─▶ succeeded | failed
//!             └── killed or timed out: the outcome is unknown
//! ```
//! The next [`begin`] decides: an unknown outcome younger than 23 hours repeats the call with the same key, which the vendor
//! answers with the first result; a definitive failure opens a new generation with a new key (the vendor would replay the stored
//! failure); an unknown outcome older than that is looked up first, since the vendor has forgotten the key.
//! The request is stored too: a key repeated with other parameters is refused, so the repeated call is made from the row.

use crate::ids::CommandId;
use chrono::{DateTime, Duration, Utc};
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// How long a key is relied on: Stripe keeps one for 24 hours, and a call may be on its way for a while.
const KEY_LIVES: Duration = Duration::hours(23);

/// What is to be done, to what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step<'a> {
    pub vendor: &'a str,
    pub subject_kind: &'a str,
    pub subject_id: Uuid,
    /// `create_payment_intent`
    pub step: &'a str,
}

/// A call that may be made now.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    pub id: CommandId,
    pub generation: i32,
    /// Idempotency key of the call.
    pub key: String,
    /// Parameters of the call, as the first attempt had them.
    pub request: Value,
}

/// What [`begin`] found.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// Make the call, or repeat it with the same key.
    Call(Command),
    /// Too old to repeat: ask the vendor by metadata what became of it, then [`succeed`] or [`fail`].
    LookUp(Command),
    /// It has been made; this was the answer.
    Done(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
enum CommandState {
    Pending,
    Succeeded,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Start(i32),
    Repeat,
    LookUp,
    Done,
}

/// The rule of the module doc, apart from the database.
fn decide(latest: Option<(i32, CommandState, DateTime<Utc>)>, now: DateTime<Utc>) -> Decision {
    match latest {
        None => Decision::Start(1),
        Some((_, CommandState::Succeeded, _)) => Decision::Done,
        Some((generation, CommandState::Failed, _)) => Decision::Start(generation + 1),
        Some((_, CommandState::Pending, since)) if now - since < KEY_LIVES => Decision::Repeat,
        Some((_, CommandState::Pending, _)) => Decision::LookUp,
    }
}

/// Writes the command, or finds the one that was written. Commit before the call is made.
///
/// # Errors
/// When the database refuses.
pub async fn begin(conn: &mut PgConnection, step: Step<'_>, request: &Value, now: DateTime<Utc>) -> Result<Begun, sqlx::Error> {
    loop {
        let latest = sqlx::query!(
            r#"SELECT id AS "id: CommandId",
                      generation,
                      idempotency_key,
                      request,
                      state AS "state: CommandState",
                      response,
                      created_at
                 FROM vendor_commands
                WHERE vendor = $1
                  AND subject_kind = $2
                  AND subject_id = $3
                  AND step = $4
                ORDER BY generation DESC
                LIMIT 1
                  FOR UPDATE"#,
            step.vendor,
            step.subject_kind,
            step.subject_id,
            step.step,
        )
        .fetch_optional(&mut *conn)
        .await?;
        match (decide(latest.as_ref().map(|r| (r.generation, r.state, r.created_at)), now), latest) {
            (Decision::Start(generation), _) => {
                let command = Command {
                    id: CommandId::new(),
                    generation,
                    key: format!("{}/{}/{}/{generation}", step.subject_kind, step.subject_id, step.step),
                    request: request.clone(),
                };
                if insert(conn, step, &command, now).await? {
                    return Ok(Begun::Call(command));
                }
                // Another request wrote this generation between our look and our insert: read what it wrote.
            }
            (Decision::Done, Some(row)) => return Ok(Begun::Done(row.response.unwrap_or(Value::Null))),
            (decision, Some(row)) => {
                let command = Command { id: row.id, generation: row.generation, key: row.idempotency_key, request: row.request };
                return Ok(if decision == Decision::LookUp { Begun::LookUp(command) } else { Begun::Call(command) });
            }
            (_, None) => return Err(sqlx::Error::RowNotFound),
        }
    }
}

/// Records that the vendor did it, with its answer.
///
/// # Errors
/// When the database refuses.
pub async fn succeed(conn: &mut PgConnection, id: CommandId, response: &Value, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    finish(conn, id, CommandState::Succeeded, response, now).await
}

/// Records that the vendor definitely did not do it. Never call this for a timeout or a lost connection: the outcome is
/// unknown then, and the row has to stay pending.
///
/// # Errors
/// When the database refuses.
pub async fn fail(conn: &mut PgConnection, id: CommandId, response: &Value, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    finish(conn, id, CommandState::Failed, response, now).await
}

async fn insert(conn: &mut PgConnection, step: Step<'_>, command: &Command, now: DateTime<Utc>) -> Result<bool, sqlx::Error> {
    let inserted = sqlx::query!(
        "INSERT INTO vendor_commands
                (id, vendor, subject_kind, subject_id, step, generation, idempotency_key, request, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT DO NOTHING",
        command.id as CommandId,
        step.vendor,
        step.subject_kind,
        step.subject_id,
        step.step,
        command.generation,
        command.key,
        command.request,
        now,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(inserted == 1)
}

/// Only a pending command can be finished: two callers that repeated the same call record the same answer once.
async fn finish(
    conn: &mut PgConnection,
    id: CommandId,
    state: CommandState,
    response: &Value,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE vendor_commands
            SET state = $2,
                response = $3,
                finished_at = $4
          WHERE id = $1
            AND state = 'pending'",
        id as CommandId,
        state as CommandState,
        response,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_225_600, 0).expect("a time")
    }

    #[test]
    fn an_unknown_outcome_is_repeated_then_looked_up() {
        assert_eq!(decide(None, now()), Decision::Start(1));
        let pending = |hours| Some((1, CommandState::Pending, now() - Duration::hours(hours)));
        assert_eq!(decide(pending(0), now()), Decision::Repeat);
        assert_eq!(decide(pending(22), now()), Decision::Repeat);
        assert_eq!(decide(pending(23), now()), Decision::LookUp);
    }

    proptest! {
        #[test]
        fn only_a_definitive_failure_opens_a_new_generation(generation in 1i32..1_000, minutes in 0i64..100_000) {
            let at = now() - Duration::minutes(minutes);
            prop_assert_eq!(decide(Some((generation, CommandState::Failed, at)), now()), Decision::Start(generation + 1));
            prop_assert_eq!(decide(Some((generation, CommandState::Succeeded, at)), now()), Decision::Done);
            let pending = decide(Some((generation, CommandState::Pending, at)), now());
            prop_assert!(matches!(pending, Decision::Repeat | Decision::LookUp));
        }
    }
}
