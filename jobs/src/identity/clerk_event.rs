//! `clerk.process_event`: one person is brought into step with what Clerk said of them (AUTH-05). `user.created` and
//! `user.updated` are the same to us, in whatever order they come; `user.deleted` is final; other events are ignored.
//!
//! The shape read here is <https://clerk.com/docs/webhooks/overview>; fields we do not need are left alone.

use crate::Context;
use chrono::{DateTime, Utc};
use mywork::{
    db::Actor,
    identity::provision::{self, Subject},
    webhooks::{
        inbox::{self, EventState},
        jobs::ProcessClerkEvent,
    },
};
use mywork_queue::{Failure, Outcome};
use serde::Deserialize;

#[derive(Deserialize)]
struct Envelope {
    data: User,
}

#[derive(Deserialize)]
struct User {
    id: String,
    username: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    primary_email_address_id: Option<String>,
    #[serde(default)]
    email_addresses: Vec<Address>,
    /// Milliseconds of Unix time.
    updated_at: Option<i64>,
}

#[derive(Deserialize)]
struct Address {
    id: String,
    email_address: String,
    verification: Option<Verification>,
}

#[derive(Deserialize)]
struct Verification {
    status: Option<String>,
}

pub async fn run(job: ProcessClerkEvent, cx: Context) -> mywork_queue::Result {
    let now = cx.state.clock.now();
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let event = inbox::get(&mut tx, job.event).await?;
    if event.state != EventState::Received {
        return Ok(Outcome::Done);
    }
    let wanted = matches!(event.kind.as_str(), "user.created" | "user.updated" | "user.deleted");
    if !wanted {
        inbox::mark(&mut tx, event.id, EventState::Ignored, None, now).await?;
        tx.commit().await?;
        return Ok(Outcome::Done);
    }
    let user = match serde_json::from_str::<Envelope>(&event.payload) {
        Ok(envelope) => envelope.data,
        Err(error) => {
            let why = format!("the event does not have the shape of Clerk's {}: {error}", event.kind);
            inbox::mark(&mut tx, event.id, EventState::Failed, Some(&why), now).await?;
            tx.commit().await?;
            return Err(Failure::dead(why));
        }
    };
    if event.kind == "user.deleted" {
        provision::remove(&mut tx, &user.id, now).await?;
    } else {
        provision::provision(&mut tx, &subject(user, event.received_at), now).await?;
    }
    inbox::mark(&mut tx, event.id, EventState::Processed, None, now).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

/// The person as far as we care: their primary address, or the first one where none is marked.
fn subject(user: User, received_at: DateTime<Utc>) -> Subject {
    let primary = user.email_addresses.iter().find(|a| Some(&a.id) == user.primary_email_address_id.as_ref());
    let address = primary.or(user.email_addresses.first());
    let name: Vec<String> =
        [user.first_name, user.last_name].into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
    Subject {
        email: address.map(|a| a.email_address.clone()),
        email_verified: address
            .and_then(|a| a.verification.as_ref())
            .is_some_and(|verification| verification.status.as_deref() == Some("verified")),
        username: user.username.filter(|name| !name.trim().is_empty()),
        display_name: (!name.is_empty()).then(|| name.join(" ")),
        known_at: Some(user.updated_at.and_then(DateTime::from_timestamp_millis).unwrap_or(received_at)),
        external_id: user.id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_address_counts() {
        let payload = r#"{"type":"user.updated","object":"event","data":{"id":"user_29w83","username":null,"first_name":"Ada",
            "last_name":"Lovelace","primary_email_address_id":"idn_2","updated_at":1771934400000,"image_url":"https://img.example",
            "email_addresses":[
              {"id":"idn_1","email_address":"old@example.com","verification":{"status":"verified"}},
              {"id":"idn_2","email_address":"ada@example.com","verification":{"status":"unverified"}}]}}"#;
        let envelope: Envelope = serde_json::from_str(payload).expect("Clerk's shape");
        let subject = subject(envelope.data, DateTime::UNIX_EPOCH);
        assert_eq!(subject.email.as_deref(), Some("ada@example.com"));
        assert!(!subject.email_verified);
        assert_eq!(subject.display_name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(subject.known_at.map(|t| t.timestamp()), Some(1_771_934_400));
    }

    #[test]
    fn a_deletion_names_only_the_person() {
        let payload = r#"{"type":"user.deleted","object":"event","data":{"deleted":true,"id":"user_29w83","object":"user"}}"#;
        let envelope: Envelope = serde_json::from_str(payload).expect("Clerk's shape");
        assert_eq!(envelope.data.id, "user_29w83");
    }
}
