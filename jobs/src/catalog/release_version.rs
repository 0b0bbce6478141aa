//! `catalog.release_version`: an approved version becomes what buyers get, and its product goes on sale. One transaction, no
//! vendor; the e-mails it causes are jobs of their own.

use crate::Context;
use mywork::catalog::{jobs::ReleaseVersion, release};
use mywork::db::Actor;
use mywork_queue::Outcome;

pub async fn run(job: ReleaseVersion, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let released = release::release(&mut tx, job.version, cx.clock.now()).await?;
    tx.commit().await?;
    cx.log(if released { "on the shelf" } else { "nothing left to release" });
    Ok(Outcome::Done)
}
