//! `resend.process_event`: an e-mail that could not be delivered is marked, so that a person can see it. Other events are kept
//! and ignored. The news may overtake the answer to our own call, which records the provider's id; it is waited for.

use crate::Context;
use chrono::TimeDelta;
use mywork::{
    db::Actor,
    notifications::email,
    webhooks::{
        inbox::{self, EventState},
        jobs::ProcessResendEvent,
    },
};
use mywork_queue::{Failure, Outcome};
use serde::Deserialize;
use std::time::Duration;

/// How long the id of a message may take to be recorded; in steps of [`STEP`].
const OVERTAKEN: TimeDelta = TimeDelta::minutes(10);
const STEP: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Envelope {
    data: Message,
}

#[derive(Deserialize)]
struct Message {
    email_id: String,
    #[serde(default)]
    bounce: Option<Bounce>,
}

#[derive(Deserialize)]
struct Bounce {
    #[serde(default)]
    message: Option<String>,
}

pub async fn run(job: ProcessResendEvent, cx: Context) -> mywork_queue::Result {
    let now = cx.clock.now();
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let event = inbox::get(&mut tx, job.event).await?;
    if event.state != EventState::Received {
        return Ok(Outcome::Done);
    }
    let Some(reason) = reason(&event.kind) else {
        inbox::mark(&mut tx, event.id, EventState::Ignored, None, now).await?;
        tx.commit().await?;
        return Ok(Outcome::Done);
    };
    let message = match serde_json::from_str::<Envelope>(&event.payload) {
        Ok(envelope) => envelope.data,
        Err(error) => {
            let why = format!("the event does not have the shape of Resend's {}: {error}", event.kind);
            inbox::mark(&mut tx, event.id, EventState::Failed, Some(&why), now).await?;
            tx.commit().await?;
            return Err(Failure::dead(why));
        }
    };
    let told = message.bounce.and_then(|bounce| bounce.message);
    let recorded = email::record_bounced(&mut tx, &message.email_id, told.as_deref().unwrap_or(reason)).await?;
    if !recorded && now - event.received_at < OVERTAKEN {
        return Ok(Outcome::Snooze(STEP));
    }
    let (state, why) = if recorded {
        (EventState::Processed, None)
    } else {
        (EventState::Ignored, Some("No e-mail of ours that was sent carries this id."))
    };
    inbox::mark(&mut tx, event.id, state, why, now).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}

/// What happened to the message, where it did not arrive as meant; `None` for all other news.
fn reason(kind: &str) -> Option<&'static str> {
    match kind {
        "email.bounced" => Some("The receiving server refused the message."),
        "email.failed" => Some("The message could not be sent."),
        "email.complained" => Some("The recipient marked the message as spam."),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounce_is_read_as_resend_writes_it() {
        let payload = r#"{"type":"email.bounced","created_at":"2026-02-22T23:41:12.126Z","data":{"created_at":"2026-02-22",
            "email_id":"56761188-7520-42d8-8898-ff6fc54ce618","from":"MyWork <hello@example.com>","to":["ada@example.com"],
            "subject":"Receipt","bounce":{"message":"The address does not exist.","subType":"Suppressed","type":"Permanent"}}}"#;
        let message = serde_json::from_str::<Envelope>(payload).expect("Resend's shape").data;
        assert_eq!(message.email_id, "56761188-7520-42d8-8898-ff6fc54ce618");
        assert_eq!(message.bounce.and_then(|b| b.message).as_deref(), Some("The address does not exist."));
    }

    #[test]
    fn good_news_is_ignored() {
        assert!(reason("email.bounced").is_some());
        assert!(reason("email.delivered").is_none());
    }
}
