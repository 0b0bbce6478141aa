//! `analytics.count_views`: what a web process counted in a few seconds is added to the views of products, once.

use crate::Context;
use mywork::{
    analytics::{jobs::CountViews, views},
    db::Actor,
};
use mywork_queue::Outcome;

pub async fn run(job: CountViews, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let fresh = views::count(&mut tx, job.batch, &job.counts, cx.state.clock.now()).await?;
    tx.commit().await?;
    if !fresh {
        cx.log("these were counted before");
    }
    Ok(Outcome::Done)
}
