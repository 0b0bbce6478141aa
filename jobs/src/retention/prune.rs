//! `retention.prune`: nightly, forgets what is past its time.

use crate::Context;
use mywork::{
    db::Actor,
    retention::{self, jobs::Prune},
};
use mywork_queue::Outcome;

pub async fn run(_: Prune, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let pruned = retention::prune(&mut tx, cx.clock.now()).await?;
    tx.commit().await?;
    cx.log(format!(
        "{} sessions, {} links, {} webhooks, {} addresses",
        pruned.sessions, pruned.email_tokens, pruned.webhook_events, pruned.reset_requests
    ));
    Ok(Outcome::Done)
}
