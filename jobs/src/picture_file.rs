//! Pictures that people bring, judged by their content and never by their name: decoded within bounds, turned upright, and encoded
//! anew, which leaves their metadata and whatever else they carried behind. Slow and fallible on hostile bytes: call both
//! from a blocking task.

use bytes::Bytes;
use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::{jpeg::JpegEncoder, webp::WebPEncoder},
};
use std::io::Cursor;

/// Widest or highest picture that is taken, in pixels.
pub const MAX_SIDE: u32 = 12_000;
/// Memory one decoding may take.
const MAX_MEMORY: u64 = 384 << 20;

/// A picture as it is stored.
pub struct Encoded {
    pub ending: &'static str,
    pub content_type: &'static str,
    pub bytes: Bytes,
    pub width: u32,
    pub height: u32,
}

/// The picture in these bytes, upright; or a sentence for who sent them.
pub fn decode(bytes: &[u8]) -> Result<DynamicImage, &'static str> {
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
pub fn encode(picture: &DynamicImage) -> Result<Encoded, &'static str> {
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
    Ok(Encoded { ending, content_type, bytes: bytes.into(), width, height })
}
