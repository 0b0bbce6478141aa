//! The acts on one job: run it again, cancel it, give it up, put it off, correct its arguments. Each commits with its line in
//! the audit log, or not at all.

use super::{Target, note, reason, second};
use crate::{App, Error, Result, auth::AdminOnly};
use chrono::{DateTime, NaiveDateTime, Utc};
use mywork_queue::{
    JobId,
    admin::{self, ActError, Cancelled},
};
use serde_json::{Value, json};

/// What an admin does to a job.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Retry,
    Cancel,
    Discard,
    Reschedule(DateTime<Utc>),
    Edit(Value),
}

impl Deed {
    fn action(&self) -> &'static str {
        match self {
            Self::Retry => "job.retry",
            Self::Cancel => "job.cancel",
            Self::Discard => "job.discard",
            Self::Reschedule(_) => "job.reschedule",
            Self::Edit(_) => "job.edit",
        }
    }
}

/// What came of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is done; this is to be told.
    Done(&'static str),
    /// A second admin has to approve the bulk act of this number.
    Proposed(i64),
}

/// Acts and records it in one transaction, or proposes it where one admin alone may not act.
pub(super) async fn act(app: &App, admin: &AdminOnly, job: JobId, deed: Deed, why: &str) -> Result<Outcome> {
    let why = reason(why)?;
    let mut tx = app.db.begin(admin.actor()).await?;
    let before = admin::find(&mut tx, job).await?.ok_or(Error::NotFound("job"))?.job;
    if second::is_guarded(&before.kind) {
        let proposed = second::propose(app, &mut tx, admin, &before, &deed, why).await?;
        tx.commit().await?;
        return Ok(Outcome::Proposed(proposed));
    }
    let state = |state: &str| (json!({ "state": before.state }), json!({ "state": state }));
    let action = deed.action();
    let (told, changed) = match deed {
        Deed::Retry => {
            admin::retry(&mut tx, job).await.map_err(refused)?;
            ("The job is in line again.", state("available"))
        }
        Deed::Cancel => match admin::cancel(&mut tx, job, why).await.map_err(refused)? {
            Cancelled::Ended => ("The job is cancelled.", state("cancelled")),
            Cancelled::Asked => ("The job is running: its worker has been asked to stop it.", state("running")),
        },
        Deed::Discard => {
            admin::discard(&mut tx, job, why).await.map_err(refused)?;
            ("The job is given up and asks for no attention any more.", state("cancelled"))
        }
        Deed::Reschedule(at) => {
            admin::reschedule(&mut tx, job, at).await.map_err(refused)?;
            ("The job has another time.", (json!({ "run_at": before.run_at }), json!({ "run_at": at })))
        }
        Deed::Edit(args) => {
            admin::edit_args(&mut tx, job, &args).await.map_err(refused)?;
            // Which fields, not what they say: a value may be one that is never shown.
            let fields = differing(&before.args, &args);
            ("The job has other arguments.", (json!({}), json!({ "arguments": fields })))
        }
    };
    note(app, &mut tx, admin, action, Target { kind: "job", id: &job.to_string() }, why, Some(changed)).await?;
    tx.commit().await?;
    Ok(Outcome::Done(told))
}

/// What a refused act says to whoever asked for it.
pub(super) fn refused(error: ActError) -> Error {
    match error {
        ActError::NotFound(_) => Error::NotFound("job"),
        ActError::Database(error) => error.into(),
        refusal => Error::Conflict(sentence(&refusal.to_string())),
    }
}

/// `job 7 is running` as `Job 7 is running.`
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// A time as a form sends it: without a zone, which is UTC here as on every page of this area; or whole, as a program writes it.
pub(super) fn time(field: &str, text: &str) -> Result<DateTime<Utc>> {
    let whole = DateTime::parse_from_rfc3339(text).map(|time| time.to_utc());
    let bare = || {
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"].into_iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
    };
    whole
        .ok()
        .or_else(|| bare().map(|time| time.and_utc()))
        .filter(|time| is_storable(*time))
        .ok_or_else(|| Error::invalid(field, "Write the time in UTC, like 2026-03-01T12:00."))
}

/// Postgres counts from 4714 before our era, chrono from long before.
fn is_storable(time: DateTime<Utc>) -> bool {
    (0..=9_999).contains(&chrono::Datelike::year(&time))
}

/// Arguments as a person typed them.
pub(super) fn arguments(text: &str) -> Result<Value> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| Error::invalid("arguments", format!("This is not JSON: {error}.")))?;
    if !value.is_object() {
        return Err(Error::invalid("arguments", "Arguments are a JSON object, like { \"order\": \"…\" }."));
    }
    if text.contains("\\u0000") {
        return Err(Error::invalid("arguments", "The character \\u0000 cannot be stored. Leave it out."));
    }
    Ok(value)
}

/// Top-level fields that are not the same in both.
fn differing(before: &Value, after: &Value) -> Vec<String> {
    let keys = |value: &Value| value.as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut all = [keys(before), keys(after)].concat();
    all.sort();
    all.dedup();
    all.retain(|key| before.get(key) != after.get(key));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_forms_and_programs_write_it() {
        let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().expect("a time");
        for text in ["2026-03-01T12:00", "2026-03-01T12:00:00", "2026-03-01T12:00:00Z", "2026-03-01T13:00:00+01:00"] {
            assert_eq!(time("at", text).ok(), Some(noon), "{text}");
        }
        for text in ["", "noon", "+200000-01-01T00:00", "2026-02-30T00:00"] {
            assert!(matches!(time("at", text), Err(Error::Invalid(_))), "{text}");
        }
    }

    #[test]
    fn arguments_are_an_object_and_their_differences_are_named() {
        assert!(arguments("[1]").is_err() && arguments("{").is_err() && arguments(r#"{"a":"\u0000"}"#).is_err());
        let after = arguments(r#"{"order": 2, "note": "x", "same": 1}"#).expect("an object");
        assert_eq!(differing(&json!({ "order": 1, "same": 1, "gone": 0 }), &after), ["gone", "note", "order"]);
    }

    #[test]
    fn a_refusal_reads_as_a_sentence() {
        assert_eq!(sentence("job 7 is running"), "Job 7 is running.");
    }
}
