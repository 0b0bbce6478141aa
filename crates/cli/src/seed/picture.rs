//! Which pictures a product gets: a scene of what it does, a look at its code, and for some a third one.

use super::content::Product;
use anyhow::Context;
use mywork::{catalog::image::Variant, ids::ImageId, seed::Picture};
use mywork_covers::{Cover, FULL, Palette, Rendered, Scene};

/// A picture that will be drawn.
#[derive(Clone, Debug)]
pub struct Planned {
    pub picture: Picture,
    cover: Cover,
}

/// The pictures of a product, in the order of its gallery.
pub fn plan(product: &Product) -> Vec<Planned> {
    let seed = product
        .package
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let palette = usize::try_from(seed >> 33).unwrap_or_default();
    let scenes = scenes(product, seed);
    let shown = if seed % 5 < 2 { 3 } else { 2 };
    (0..)
        .zip(scenes)
        .take(shown)
        .map(|(n, (scene, what))| {
            let id = ImageId::new();
            let variants = [("full", 1), ("card", 2), ("thumb", 8)].map(|(name, factor)| Variant {
                name: name.to_owned(),
                key: format!("public/images/{id}/{name}.webp"),
                width: FULL.0 / factor,
                height: FULL.1 / factor,
            });
            Planned {
                picture: Picture {
                    id,
                    alt: format!("{}: {what}", product.name),
                    width: 1280,
                    height: 800,
                    variants: variants.to_vec(),
                },
                cover: Cover { scene, palette: Palette::number(palette + n * 5), seed: seed.wrapping_add(n as u64) },
            }
        })
        .collect()
}

impl Planned {
    /// Draws it: key and bytes of each variant.
    pub fn draw(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let rendered = mywork_covers::render(&self.cover).context("a picture could not be drawn")?;
        let key = |one: &Rendered| self.picture.variants.iter().find(|v| v.name == one.name).map(|v| v.key.clone());
        Ok(rendered.into_iter().filter_map(|one| key(&one).map(|key| (key, one.bytes))).collect())
    }
}

/// Scenes that suit the shelf, with what they show.
fn scenes(product: &Product, seed: u64) -> [(Scene, &'static str); 3] {
    const DASHBOARD: (Scene, &str) = (Scene::Dashboard, "an overview with figures and a curve");
    const CODE: (Scene, &str) = (Scene::Code, "a look at the source");
    const TABLE: (Scene, &str) = (Scene::Table, "a list with states");
    const CHAT: (Scene, &str) = (Scene::Chat, "a conversation");
    const CHARTS: (Scene, &str) = (Scene::Charts, "charts of several kinds");
    const ENDPOINTS: (Scene, &str) = (Scene::Endpoints, "a request and its answer");
    const TERMINAL: (Scene, &str) = (Scene::Terminal, "a run in the terminal");
    const PIPELINE: (Scene, &str) = (Scene::Pipeline, "steps that hand on to each other");
    const PHONES: (Scene, &str) = (Scene::Phones, "three screens of the app");
    const BOARD: (Scene, &str) = (Scene::Board, "a board with cards");
    const GALLERY: (Scene, &str) = (Scene::Gallery, "a page with pictures");
    const PARTS: (Scene, &str) = (Scene::Parts, "controls side by side");
    let turn = |of: [(Scene, &'static str); 3]| of[usize::try_from(seed % 3).unwrap_or_default()];
    match product.category.as_str() {
        "ai-starters" => [CHAT, CHARTS, CODE],
        "commerce-starters" => [turn([DASHBOARD, TABLE, DASHBOARD]), CODE, CHARTS],
        "b2b-starters" => [turn([DASHBOARD, TABLE, BOARD]), CODE, TABLE],
        "data-apis" => [turn([ENDPOINTS, CHARTS, ENDPOINTS]), CODE, TERMINAL],
        "identity-apis" | "payment-apis" | "messaging-apis" => [ENDPOINTS, turn([CODE, TABLE, CODE]), CHARTS],
        "infrastructure-automation" => [turn([TERMINAL, PIPELINE, TERMINAL]), PIPELINE, CODE],
        "data-automation" => [PIPELINE, turn([TABLE, CHARTS, CODE]), TERMINAL],
        "office-automation" | "marketing-automation" => [turn([PIPELINE, TABLE, BOARD]), CODE, DASHBOARD],
        "react-native-apps" | "flutter-apps" => [PHONES, turn([GALLERY, CHARTS, CODE]), CODE],
        "business-applications" => [turn([BOARD, TABLE, DASHBOARD]), CHARTS, CODE],
        "commerce-applications" => [GALLERY, turn([TABLE, DASHBOARD, BOARD]), CODE],
        "internal-tools" => [turn([TABLE, BOARD, DASHBOARD]), TERMINAL, CODE],
        "community-applications" => [turn([CHAT, GALLERY, CHAT]), TABLE, CODE],
        "chart-components" => [CHARTS, CODE, PARTS],
        "form-components" => [PARTS, CODE, TABLE],
        _ => [turn([PARTS, TABLE, PARTS]), CODE, DASHBOARD],
    }
}
