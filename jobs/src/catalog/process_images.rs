//! `catalog.process_images`: a picture is judged by its content, decoded within bounds, turned upright, and encoded anew in three
//! sizes, which leaves its metadata behind (PROD-05). Only the variants are ever shown; the original is removed.
//!
//! What is no picture of ours is refused with a reason. Keys are made of the picture's id, so a second run overwrites its own.

use crate::Context;
use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, webp::WebPEncoder},
    imageops::FilterType,
};
use mywork::catalog::{
    image::{self as picture, ImageState, Variant},
    jobs::ProcessImages,
    upload::MAX_IMAGE,
};
use mywork::{db::Actor, ids::ImageId};
use mywork_queue::Outcome;
use mywork_vendors::storage::StorageError;
use std::io::Cursor;

pub async fn run(job: ProcessImages, cx: Context) -> mywork_queue::Result {
    let storage = &cx.state.storage;
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let original = picture::original(&mut tx, job.image).await?;
    tx.commit().await?;
    let Some(original) = original else {
        return Ok(Outcome::Cancel("the picture was removed".into()));
    };
    if original.state == ImageState::Received {
        let bytes = match storage.get_bytes(&original.key, MAX_IMAGE.unsigned_abs()).await {
            Err(error) if error.is_not_found() => return reject(&cx, job.image, "The uploaded file is no longer there.").await,
            Err(StorageError::TooLarge { .. }) => return reject(&cx, job.image, "The picture has more than 10 MB.").await,
            outcome => outcome?,
        };
        // A decoder that panics on hostile bytes is the picture's fault, not ours.
        let rendered = tokio::task::spawn_blocking(move || render(&bytes)).await;
        let rendered = match rendered.unwrap_or(Err("This file cannot be decoded.")) {
            Ok(rendered) => rendered,
            Err(why) => {
                storage.delete(&original.key).await?;
                return reject(&cx, job.image, why).await;
            }
        };
        store(&cx, job.image, rendered).await?;
    }
    storage.delete(&original.key).await?;
    Ok(Outcome::Done)
}

async fn store(cx: &Context, id: ImageId, rendered: Rendered) -> Result<(), mywork_queue::Failure> {
    let storage = &cx.state.storage;
    let mut variants = Vec::new();
    for file in rendered.files {
        let key = format!("public/images/{id}/{}.{}", file.name, file.ending);
        storage.put(&key, file.bytes, file.content_type).await?;
        variants.push(Variant { name: file.name.into(), key, width: file.width, height: file.height });
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

async fn reject(cx: &Context, id: ImageId, why: &str) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    picture::record_rejected(&mut tx, id, why).await?;
    tx.commit().await?;
    cx.log(format!("rejected: {why}"));
    Ok(Outcome::Done)
}

/// A picture in all its sizes.
struct Rendered {
    /// Of the original, upright.
    size: (u32, u32),
    files: Vec<Encoded>,
}

struct Encoded {
    name: &'static str,
    ending: &'static str,
    content_type: &'static str,
    bytes: Bytes,
    width: u32,
    height: u32,
}

/// Widest or highest picture that is taken, in pixels.
const MAX_SIDE: u32 = 12_000;
/// Memory one decoding may take.
const MAX_MEMORY: u64 = 384 << 20;
/// Widest variant.
const FULL: u32 = 1_280;

fn render(bytes: &[u8]) -> Result<Rendered, &'static str> {
    let picture = decode(bytes)?;
    let fill = |width, height| picture.resize_to_fill(width, height, FilterType::CatmullRom);
    let full = if picture.width() > FULL { picture.resize(FULL, MAX_SIDE, FilterType::CatmullRom) } else { picture.clone() };
    let variants = [("thumb", fill(160, 100)), ("card", fill(640, 400)), ("full", full)];
    let files = variants.into_iter().map(|(name, variant)| encode(name, &variant)).collect::<Result<_, _>>()?;
    Ok(Rendered { size: (picture.width(), picture.height()), files })
}

fn decode(bytes: &[u8]) -> Result<DynamicImage, &'static str> {
    const DAMAGED: &str = "The picture is damaged, or larger than 12,000 pixels on a side. Save it again and upload that.";
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| DAMAGED)?;
    if !matches!(reader.format(), Some(ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err("This is not a PNG, JPEG or WebP picture, whatever its name says.");
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| DAMAGED)?;
    let orientation = decoder.orientation().map_err(|_| DAMAGED)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| DAMAGED)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// As JPEG, or without loss as WebP where something shows through.
fn encode(name: &'static str, picture: &DynamicImage) -> Result<Encoded, &'static str> {
    const FAILED: &str = "The picture cannot be stored in our sizes. Save it as JPEG and upload that.";
    let (width, height) = (picture.width(), picture.height());
    let mut bytes = Vec::new();
    let rgba = picture.color().has_alpha().then(|| picture.to_rgba8());
    let (ending, content_type) = match rgba.filter(|rgba| rgba.pixels().any(|pixel| pixel.0[3] < u8::MAX)) {
        Some(rgba) => {
            rgba.write_with_encoder(WebPEncoder::new_lossless(&mut bytes)).map_err(|_| FAILED)?;
            ("webp", "image/webp")
        }
        None => {
            picture.to_rgb8().write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85)).map_err(|_| FAILED)?;
            ("jpg", "image/jpeg")
        }
    };
    Ok(Encoded { name, ending, content_type, bytes: bytes.into(), width, height })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};

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
        let sizes: Vec<_> = rendered.files.iter().map(|f| (f.name, f.ending, f.width, f.height)).collect();
        assert_eq!(sizes, [("thumb", "jpg", 160, 100), ("card", "jpg", 640, 400), ("full", "jpg", 1_280, 640)]);
        for file in rendered.files {
            let again = decode(&file.bytes).expect("decodes");
            assert_eq!((again.width(), again.height()), (file.width, file.height));
        }
    }

    #[test]
    fn what_shows_through_still_does() {
        let picture = DynamicImage::ImageRgba8(RgbaImage::from_pixel(300, 300, Rgba([20, 90, 200, 40])));
        let Ok(rendered) = render(&png(&picture)) else { panic!("it renders") };
        assert!(rendered.files.iter().all(|file| file.ending == "webp"));
        let opaque = DynamicImage::ImageRgba8(RgbaImage::from_pixel(300, 300, Rgba([20, 90, 200, 255])));
        let Ok(rendered) = render(&png(&opaque)) else { panic!("it renders") };
        assert!(rendered.files.iter().all(|file| file.ending == "jpg"));
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
