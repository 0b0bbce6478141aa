//! `catalog.sweep_checks`, every five minutes: a check whose job is gone is begun anew or ended with a sentence, so that no seller
//! waits for ever. A transaction for each version; a sweep that is killed has done some of them, and the next does the rest.

use crate::Context;
use mywork::{
    catalog::{
        jobs::SweepChecks,
        sweep::{self, Swept},
    },
    db::Actor,
};
use mywork_queue::Outcome;

/// Versions looked up at a time.
const PAGE: usize = 200;

pub async fn run(_: SweepChecks, cx: Context) -> mywork_queue::Result {
    let mut after = None;
    while !cx.cancelled.is_cancelled() {
        let mut tx = cx.state.db.begin(Actor::System).await?;
        let page = sweep::due(&mut tx, after, i64::try_from(PAGE)?).await?;
        tx.commit().await?;
        for due in &page {
            let mut tx = cx.state.db.begin(Actor::System).await?;
            let swept = sweep::attend(&mut tx, *due, cx.clock.now()).await?;
            tx.commit().await?;
            if swept != Swept::Attended {
                tracing::warn!(version = %due.version, step = due.step.as_str(), ?swept, "a check had lost its job");
                cx.log(format_args!("{} of version {}: {swept:?}", due.step.as_str(), due.version));
            }
        }
        match page.last() {
            Some(last) if page.len() == PAGE => after = Some(last.version),
            _ => break,
        }
    }
    Ok(Outcome::Done)
}
