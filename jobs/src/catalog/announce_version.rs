//! `catalog.announce_version`: owners of earlier versions hear of a new one (PROD-07), a page of people to a job, so that a product
//! with a hundred thousand buyers holds no transaction open for long. Each message has its own name: a page that runs twice
//! writes to nobody twice.

use crate::Context;
use mywork::catalog::{jobs::AnnounceVersion, release};
use mywork::db::Actor;
use mywork_queue::Outcome;

pub async fn run(job: AnnounceVersion, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let told = release::announce(&mut tx, job.version, job.after, cx.clock.now()).await?;
    tx.commit().await?;
    cx.log(format!("{told} owners told"));
    Ok(Outcome::Done)
}
