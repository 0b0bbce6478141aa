//! Jobs that pay money out are nobody's alone: an act on one of them becomes a bulk act of one, which another admin has to
//! approve. What cannot be proposed so, as other arguments, is refused.

use super::{Target, acts::Deed, bulk, note};
use crate::{App, Error, Result, auth::AdminOnly};
use mywork::db::Tx;
use mywork_queue::{
    JobId,
    admin::{
        JobFilter, JobRow,
        bulk::{self as queue, Act, Ask},
    },
};
use serde_json::json;

const AREA: &str = "payouts.";
/// Those there are to be, also where a dry run finds none of them yet.
const KINDS: [&str; 3] = ["payouts.plan", "payouts.pay_seller", "payouts.settle"];

/// Whether one admin may not act on jobs of this kind alone.
pub(super) fn is_guarded(kind: &str) -> bool {
    kind.starts_with(AREA)
}

/// Kinds that a bulk act must not touch without a second admin: those known, and those its dry run found.
pub(super) fn guarded<'a>(found: impl IntoIterator<Item = &'a String>) -> Vec<String> {
    let found = found.into_iter().filter(|kind| is_guarded(kind) && !KINDS.contains(&kind.as_str()));
    KINDS.iter().map(ToString::to_string).chain(found.cloned()).collect()
}

/// Proposes an act on one job; answers with the number of the proposal.
pub(super) async fn propose(app: &App, tx: &mut Tx, admin: &AdminOnly, job: &JobRow, deed: &Deed, why: &str) -> Result<i64> {
    let act = match deed {
        Deed::Retry => Act::Retry,
        Deed::Cancel => Act::Cancel,
        Deed::Discard => Act::Discard,
        Deed::Reschedule(run_at) => Act::Reschedule { run_at: *run_at },
        Deed::Edit(_) => {
            return Err(Error::Forbidden(
                "Nobody changes the arguments of a payout. Cancel it, with a second admin, and let the plan make a new one."
                    .to_owned(),
            ));
        }
    };
    let ask = Ask {
        act,
        filter: JobFilter { ids: vec![JobId(job.id.0)], states: vec![job.state], ..JobFilter::default() },
        reason: why.to_owned(),
        by: admin.0.id.0,
        guarded: vec![job.kind.clone()],
    };
    let proposed = queue::ask(tx, &ask, app.now()).await.map_err(bulk::refused)?;
    let changed = (json!({}), json!({ "act": proposed.act, "job": job.id, "kind": job.kind }));
    let target = Target { kind: "bulk_act", id: &proposed.id.to_string() };
    note(app, tx, admin, "jobs.bulk.propose", target, why, Some(changed)).await?;
    Ok(proposed.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payouts_are_guarded_whatever_they_come_to_be_called() {
        assert!(is_guarded("payouts.pay_seller") && is_guarded("payouts.tomorrow") && !is_guarded("orders.fulfil"));
        let found = ["payouts.tomorrow".to_owned(), "orders.fulfil".to_owned(), "payouts.plan".to_owned()];
        assert_eq!(guarded(&found), ["payouts.plan", "payouts.pay_seller", "payouts.settle", "payouts.tomorrow"]);
    }
}
