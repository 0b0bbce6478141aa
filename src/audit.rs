//! Who did what to whom, from which state to which, why and from where (ADMIN-07). Rows are only ever added, whoever asks
//! (SEC-06). People appear by id, never by name or address, so that erasing a person leaves the trail whole.
//!
//! Called inside the act it records, on the same transaction: either both happened or neither.

use crate::db::Actor;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

/// Where a request came from, as far as the web tier knows; empty for jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub ip: Option<String>,
    pub request_id: Option<String>,
}

/// One line of the trail.
#[derive(Clone, Debug)]
pub struct Entry {
    pub actor: Actor,
    /// `product.approve`
    pub action: &'static str,
    pub subject_kind: &'static str,
    pub subject_id: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub reason: Option<String>,
    pub ip: Option<String>,
    pub request_id: Option<String>,
}

impl Entry {
    /// An entry about one thing, without details yet.
    pub fn new(actor: Actor, action: &'static str, subject_kind: &'static str, subject_id: impl ToString) -> Self {
        let subject_id = subject_id.to_string();
        Self { actor, action, subject_kind, subject_id, before: None, after: None, reason: None, ip: None, request_id: None }
    }

    /// What changed, as two small objects of the same fields.
    #[must_use]
    pub fn changed(self, before: Value, after: Value) -> Self {
        Self { before: Some(before), after: Some(after), ..self }
    }

    /// Why, in the actor's own words.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }

    /// From which request.
    #[must_use]
    pub fn from(self, origin: &Origin) -> Self {
        Self { ip: origin.ip.clone(), request_id: origin.request_id.clone(), ..self }
    }
}

/// Adds `entry` to the trail.
///
/// # Errors
/// When the database refuses it: somebody may write only under their own id.
pub async fn record(connection: &mut PgConnection, entry: &Entry, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO audit_log (at, actor_id, action, subject_kind, subject_id, before, after, reason, ip, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        now,
        entry.actor.user().map(|id| id.0),
        entry.action,
        entry.subject_kind,
        entry.subject_id,
        entry.before,
        entry.after,
        entry.reason,
        entry.ip,
        entry.request_id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A line of the trail as an admin reads it.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    pub at: DateTime<Utc>,
    pub actor_id: Option<Uuid>,
    /// The actor's current username; none for the system or a person since erased.
    pub actor: Option<String>,
    pub action: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
    pub reason: Option<String>,
}

/// The latest `limit` lines about one thing, newest first. Admins only: row-level security shows them to nobody else.
///
/// # Errors
/// When the database fails.
pub async fn about(
    connection: &mut PgConnection,
    subject_kind: &str,
    subject_id: &str,
    limit: i64,
) -> Result<Vec<Line>, sqlx::Error> {
    sqlx::query_as!(
        Line,
        r#"SELECT l.at, l.actor_id, u.username AS "actor?", l.action, l.before, l.after, l.reason
           FROM audit_log l
           LEFT JOIN users u ON u.id = l.actor_id
           WHERE l.subject_kind = $1 AND l.subject_id = $2
           ORDER BY l.id DESC
           LIMIT $3"#,
        subject_kind,
        subject_id,
        limit,
    )
    .fetch_all(connection)
    .await
}
