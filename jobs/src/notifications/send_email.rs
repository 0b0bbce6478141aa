//! `notifications.send_email`: one row of the outbox becomes one e-mail. The row's id is the key the provider knows it by, so
//! a run that was killed after sending sends nothing twice while the provider remembers the key.
//!
//! What may pass is tried again for three days; a refusal, or a template that does not fit, is final and told to the row. Once
//! an admin has mended the cause, running the job again sends it after all.

use crate::{Context, vendor_failure};
use chrono::TimeDelta;
use mywork::{
    db::Actor,
    notifications::{
        email::{self, Email, EmailState},
        jobs::SendEmail,
    },
};
use mywork_queue::{Failure, Outcome};
use mywork_vendors::resend::Message;

/// How old a message may become before it is not worth sending.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::days(3);

pub async fn run(job: SendEmail, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let found = email::find(&mut tx, job.email).await?;
    tx.commit().await?;
    let Some(email) = found.filter(|email| matches!(email.state, EmailState::Queued | EmailState::Failed)) else {
        return Ok(Outcome::Done);
    };
    let now = cx.state.clock.now();
    let rendered = match cx.state.emails.render(&email.template, &email.context, now) {
        Ok(rendered) => rendered,
        Err(error) => return give_up(&cx, &email, error.to_string()).await,
    };
    let message = Message {
        to: email.to.clone(),
        subject: rendered.subject,
        text: rendered.text,
        html: rendered.html,
        // Clients that group by subject keep one message apart from the next of its kind.
        headers: vec![("X-Entity-Ref-ID".to_owned(), email.id.to_string())],
    };
    match cx.state.mailer.send(&message, &email.id.to_string()).await {
        Ok(provider_id) => {
            let mut tx = cx.state.db.begin(Actor::System).await?;
            email::record_sent(&mut tx, email.id, &provider_id, cx.state.clock.now()).await?;
            tx.commit().await?;
            Ok(Outcome::Done)
        }
        Err(error) if error.is_retryable() && now - email.created_at < GIVE_UP_AFTER && !cx.is_last_attempt() => {
            Err(vendor_failure::of_mail(error))
        }
        Err(error) => give_up(&cx, &email, error.to_string()).await,
    }
}

/// Tells the row why, and leaves the job for a person to look at.
async fn give_up(cx: &Context, email: &Email, why: String) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    email::record_failed(&mut tx, email.id, &why).await?;
    tx.commit().await?;
    Err(Failure::dead(why))
}
