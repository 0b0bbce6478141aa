//! `catalog.process_images`: a picture is judged by its content, decoded within bounds, turned upright, and encoded anew in three
//! sizes, which leaves its metadata behind (PROD-05). Only the variants are ever shown; the original is removed.
//!
//! What is no picture of ours is refused with a reason. Keys are made of the picture's id, so a second run overwrites its own.

use crate::{
    Context,
    picture_file::{self, Encoded, MAX_SIDE},
};
use image::imageops::FilterType;
use mywork::catalog::{
    image::{self as picture, ImageState, Original, Variant},
    jobs::ProcessImages,
    upload::MAX_IMAGE,
};
use mywork::{db::Actor, ids::ImageId};
use mywork_queue::{Failure, Outcome};
use mywork_vendors::storage::StorageError;

pub async fn run(job: ProcessImages, cx: Context) -> mywork_queue::Result {
    let storage = &cx.state.storage;
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let original = picture::original(&mut tx, job.image).await?;
    tx.commit().await?;
    let Some(original) = original else {
        return Ok(Outcome::Cancel("the picture was removed".into()));
    };
    if original.state == ImageState::Received
        && let Err(failure) = judge(&cx, &original).await
    {
        if !cx.is_last_attempt() {
            return Err(failure);
        }
        // A picture that nobody tries again must not count as one on its way for ever.
        tracing::error!(image = %job.image, error = %failure, "a picture could not be processed");
        reject(&cx, job.image, "We could not process this picture, and the fault may be ours. Upload it again.").await?;
    }
    // Last: whoever comes after a run that was killed finds either the original or what became of it.
    storage.delete(&original.key).await?;
    Ok(Outcome::Done)
}

/// Makes the variants, or records why there are none.
async fn judge(cx: &Context, original: &Original) -> Result<(), Failure> {
    let bytes = match cx.state.storage.get_bytes(&original.key, MAX_IMAGE.unsigned_abs()).await {
        Err(error) if error.is_not_found() => return reject(cx, original.id, "The uploaded file is no longer there.").await,
        Err(StorageError::TooLarge { .. }) => return reject(cx, original.id, "The picture has more than 10 MB.").await,
        outcome => outcome?,
    };
    // A decoder that panics on hostile bytes is the picture's fault, not ours.
    let rendered = tokio::task::spawn_blocking(move || render(&bytes)).await;
    match rendered.unwrap_or(Err("This file cannot be decoded.")) {
        Ok(rendered) => store(cx, original.id, rendered).await,
        Err(why) => reject(cx, original.id, why).await,
    }
}

async fn store(cx: &Context, id: ImageId, rendered: Rendered) -> Result<(), Failure> {
    let storage = &cx.state.storage;
    let mut variants = Vec::new();
    for (name, file) in rendered.files {
        let key = format!("public/images/{id}/{name}.{}", file.ending);
        storage.put(&key, file.bytes, file.content_type).await?;
        variants.push(Variant { name: name.into(), key, width: file.width, height: file.height });
    }
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let recorded = picture::record_ready(&mut tx, id, rendered.size, &variants).await?;
    let still_there = recorded || picture::original(&mut tx, id).await?.is_some();
    tx.commit().await?;
    if !still_there {
        for variant in variants {
            storage.delete(&variant.key).await?;
        }
    }
    Ok(())
}

async fn reject(cx: &Context, id: ImageId, why: &str) -> Result<(), Failure> {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    picture::record_rejected(&mut tx, id, why).await?;
    tx.commit().await?;
    cx.log(format!("rejected: {why}"));
    Ok(())
}

/// A picture in all its sizes.
struct Rendered {
    /// Of the original, upright.
    size: (u32, u32),
    /// Each with the name of its size.
    files: Vec<(&'static str, Encoded)>,
}

/// Widest variant.
const FULL: u32 = 1_280;

fn render(bytes: &[u8]) -> Result<Rendered, &'static str> {
    let picture = picture_file::decode(bytes)?;
    let fill = |width, height| picture.resize_to_fill(width, height, FilterType::CatmullRom);
    let full = if picture.width() > FULL { picture.resize(FULL, MAX_SIDE, FilterType::CatmullRom) } else { picture.clone() };
    let variants = [("thumb", fill(160, 100)), ("card", fill(640, 400)), ("full", full)];
    let files = variants.into_iter().map(|(name, variant)| Ok((name, picture_file::encode(&variant)?)));
    let files = files.collect::<Result<_, &'static str>>()?;
    Ok(Rendered { size: (picture.width(), picture.height()), files })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
    use std::io::Cursor;

    fn png(picture: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).expect("encodes");
        bytes.into_inner()
    }

    #[test]
    fn three_sizes_come_of_one_picture() {
        let picture = DynamicImage::ImageRgb8(RgbImage::from_pixel(2_000, 1_000, Rgb([20, 90, 200])));
        let Ok(rendered) = render(&png(&picture)) else { panic!("it renders") };
        assert_eq!(rendered.size, (2_000, 1_000));
        let sizes: Vec<_> = rendered.files.iter().map(|(name, f)| (*name, f.ending, f.width, f.height)).collect();
        assert_eq!(sizes, [("thumb", "jpg", 160, 100), ("card", "jpg", 640, 400), ("full", "jpg", 1_280, 640)]);
        for (_, file) in rendered.files {
            let again = picture_file::decode(&file.bytes).expect("decodes");
            assert_eq!((again.width(), again.height()), (file.width, file.height));
        }
    }

    #[test]
    fn what_shows_through_still_does() {
        let picture = DynamicImage::ImageRgba8(RgbaImage::from_pixel(300, 300, Rgba([20, 90, 200, 40])));
        let Ok(rendered) = render(&png(&picture)) else { panic!("it renders") };
        assert!(rendered.files.iter().all(|(_, file)| file.ending == "webp"));
        let opaque = DynamicImage::ImageRgba8(RgbaImage::from_pixel(300, 300, Rgba([20, 90, 200, 255])));
        let Ok(rendered) = render(&png(&opaque)) else { panic!("it renders") };
        assert!(rendered.files.iter().all(|(_, file)| file.ending == "jpg"));
    }

    #[test]
    fn content_decides_and_names_do_not() {
        for wrong in
            [&b"<svg xmlns='http://www.w3.org/2000/svg'/>"[..], b"GIF89a\x01\x00\x01\x00", b"", b"\x89PNG\r\n\x1a\nrubbish"]
        {
            assert!(render(wrong).is_err());
        }
    }

    #[test]
    fn a_picture_of_a_bomb_is_not_unpacked() {
        let mut small = png(&DynamicImage::ImageRgb8(RgbImage::new(1, 1)));
        // The header now claims 50,000 × 50,000 pixels; the check of the header's sum is what a decoder may skip.
        small[16..20].copy_from_slice(&50_000u32.to_be_bytes());
        small[20..24].copy_from_slice(&50_000u32.to_be_bytes());
        assert!(render(&small).is_err());
    }
}
