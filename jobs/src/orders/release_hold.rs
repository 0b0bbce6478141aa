//! `orders.release_hold`, scheduled every ten minutes: sellers' shares whose hold is over become available. In batches of a
//! transaction each, until none is due; a run that is killed has released whole batches, and the next goes on.

use crate::Context;
use mywork::{
    db::Actor,
    orders::{hold, jobs::ReleaseHold, timeline::By},
};
use mywork_queue::{Job, Outcome};

/// Orders per transaction: few enough that no row stays locked for long.
const BATCH: i64 = 100;

pub async fn run(_job: ReleaseHold, cx: Context) -> mywork_queue::Result {
    let by = By { job: cx.job, kind: ReleaseHold::KIND };
    let mut released = 0;
    while !cx.cancelled.is_cancelled() {
        let mut tx = cx.state.db.begin(Actor::System).await?;
        let batch = hold::release_due(&mut tx, BATCH, Some(by), cx.clock.now()).await?;
        tx.commit().await?;
        released += batch;
        if batch == 0 {
            break;
        }
    }
    if released > 0 {
        cx.log(format_args!("{released} holds released"));
    }
    Ok(Outcome::Done)
}
