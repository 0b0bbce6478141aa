//! `catalog.discard_objects`: stored files that nothing refers to any more: an upload given up, a picture removed. Removing what
//! is already gone is no failure, so it may run any number of times.

use crate::Context;
use mywork::catalog::jobs::DiscardObjects;
use mywork_queue::Outcome;

pub async fn run(job: DiscardObjects, cx: Context) -> mywork_queue::Result {
    if let Some((key, upload)) = &job.multipart {
        cx.state.storage.abort_multipart(key, upload).await?;
    }
    for key in &job.keys {
        cx.state.storage.delete(key).await?;
    }
    cx.log(format!("{} objects removed", job.keys.len()));
    Ok(Outcome::Done)
}
