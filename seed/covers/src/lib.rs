//! Pictures for products that have none: abstract scenes of what a product does, on a coloured ground, without a word in
//! them. The same [`Cover`] always gives the same bytes. Called by the seed; knows nothing of the marketplace.
//!
//! A scene is drawn once at full size by [`canvas`], which knows shapes with smooth edges and nothing else; smaller sizes are
//! exact averages of it.

mod canvas;
mod chance;
mod palette;
mod scenes;

use canvas::Canvas;
use chance::Chance;
use image::{ExtendedColorType, ImageEncoder, ImageError, codecs::webp::WebPEncoder};
pub use palette::Palette;

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// An application with figures and a curve.
    Dashboard,
    /// A window of source text.
    Code,
    /// Requests and their answers.
    Endpoints,
    /// Steps that hand on to each other.
    Pipeline,
    /// Screens held in the hand.
    Phones,
    /// A board with columns of cards.
    Board,
    /// A shop window: pictures in a grid.
    Gallery,
    /// Parts of a user interface, side by side.
    Parts,
    /// Rows and columns with states.
    Table,
    /// Charts of several kinds.
    Charts,
    /// A terminal at work.
    Terminal,
    /// A conversation.
    Chat,
}

/// One picture, before it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Cover {
    pub scene: Scene,
    pub palette: Palette,
    /// Where details differ from other pictures of the same scene.
    pub seed: u64,
}

/// A picture in one size, encoded.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// `full`, `card` or `thumb`
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    /// WebP.
    pub bytes: Vec<u8>,
}

/// Width and height of the largest size.
pub const FULL: (u32, u32) = (1280, 800);

/// Draws a cover in all three sizes.
///
/// # Errors
/// When the encoder refuses, which would be a fault of ours.
pub fn render(cover: &Cover) -> Result<Vec<Rendered>, ImageError> {
    let mut canvas = Canvas::new(FULL.0, FULL.1);
    scenes::draw(cover, &mut canvas);
    [("full", 1), ("card", 2), ("thumb", 8)]
        .into_iter()
        .map(|(name, factor)| {
            let (width, height, pixels) = canvas.reduced(factor);
            let mut bytes = Vec::new();
            WebPEncoder::new_lossless(&mut bytes).write_image(&pixels, width, height, ExtendedColorType::Rgb8)?;
            Ok(Rendered { name, width, height, bytes })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENES: [Scene; 12] = [
        Scene::Dashboard,
        Scene::Code,
        Scene::Endpoints,
        Scene::Pipeline,
        Scene::Phones,
        Scene::Board,
        Scene::Gallery,
        Scene::Parts,
        Scene::Table,
        Scene::Charts,
        Scene::Terminal,
        Scene::Chat,
    ];

    #[test]
    fn every_scene_is_drawn_small_enough_and_always_the_same() {
        for (seed, scene) in (1..).zip(SCENES.repeat(3)) {
            let cover = Cover { scene, palette: Palette::number(seed * 5), seed: seed as u64 };
            let (first, second) = (render(&cover).expect("drawn"), render(&cover).expect("drawn"));
            assert_eq!(first.iter().map(|r| (r.width, r.height)).collect::<Vec<_>>(), [(1280, 800), (640, 400), (160, 100)]);
            for (a, b) in first.iter().zip(&second) {
                assert_eq!(a.bytes, b.bytes, "{scene:?}");
                assert!(a.bytes.len() <= 150_000, "{scene:?} takes {} bytes as {}", a.bytes.len(), a.name);
            }
        }
    }
}
