//! `identity.process_avatar`: a person's picture of themselves is cut square, made small and encoded anew (AUTH-03). Only that
//! copy is ever shown; the original is removed. What is no picture of ours is refused with a reason, and what was shown stays.
//!
//! The copy's key follows from the upload's, so a second run overwrites its own.

use crate::{
    Context,
    picture_file::{self, Encoded},
};
use image::imageops::FilterType;
use mywork::{
    db::Actor,
    identity::{
        avatar::{self, MAX_BYTES, Original, SIDE},
        jobs::ProcessAvatar,
    },
    ids::UploadId,
};
use mywork_queue::Outcome;
use mywork_vendors::storage::StorageError;

pub async fn run(job: ProcessAvatar, cx: Context) -> mywork_queue::Result {
    let storage = &cx.state.storage;
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let original = avatar::original(&mut tx, job.upload).await?;
    tx.commit().await?;
    let Some(original) = original else {
        return Ok(Outcome::Cancel("there is no such picture".into()));
    };
    if !original.is_settled {
        match render(&cx, &original).await? {
            Ok(small) => show(&cx, job.upload, &original, small).await?,
            Err(why) => refuse(&cx, job.upload, why).await?,
        }
    }
    storage.delete(&original.key).await?;
    Ok(Outcome::Done)
}

/// The small copy, or why there is none.
async fn render(cx: &Context, original: &Original) -> Result<Result<Encoded, &'static str>, mywork_queue::Failure> {
    let bytes = match cx.state.storage.get_bytes(&original.key, MAX_BYTES.unsigned_abs()).await {
        Err(error) if error.is_not_found() => return Ok(Err("The uploaded file is no longer there. Upload it again.")),
        Err(StorageError::TooLarge { .. }) => return Ok(Err("The picture has more than 2 MB.")),
        outcome => outcome?,
    };
    let shrink = move || {
        let picture = picture_file::decode(&bytes)?;
        picture_file::encode(&picture.resize_to_fill(SIDE, SIDE, FilterType::CatmullRom))
    };
    // A decoder that panics on hostile bytes is the picture's fault, not ours.
    Ok(tokio::task::spawn_blocking(shrink).await.unwrap_or(Err("This file cannot be decoded.")))
}

async fn show(cx: &Context, upload: UploadId, original: &Original, small: Encoded) -> Result<(), mywork_queue::Failure> {
    let key = original.public_key(small.ending);
    cx.state.storage.put(&key, small.bytes, small.content_type).await?;
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let shown = avatar::record_ready(&mut tx, upload, &key, cx.state.clock.now()).await?;
    tx.commit().await?;
    if !shown {
        cx.state.storage.delete(&key).await?;
    }
    Ok(())
}

async fn refuse(cx: &Context, upload: UploadId, why: &str) -> Result<(), mywork_queue::Failure> {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    avatar::record_refused(&mut tx, upload, why, cx.state.clock.now()).await?;
    tx.commit().await?;
    cx.log(format!("refused: {why}"));
    Ok(())
}
