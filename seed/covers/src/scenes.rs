//! The scenes. Each stands on the same stage: a coloured ground with light from two sides and a faint grid.

mod apps;
mod flows;
mod parts;
mod text;

use crate::{
    Canvas, Chance, Cover, Scene,
    canvas::{Light, Rect, rect},
    palette::{Colour, DEEP, EDGE, GREEN, MUTED, Palette, RAISED, RED, SURFACE, YELLOW, mix},
};

/// What a scene is drawn with.
pub(crate) struct Stage<'c> {
    pub canvas: &'c mut Canvas,
    pub chance: Chance,
    pub palette: Palette,
}

pub(crate) fn draw(cover: &Cover, canvas: &mut Canvas) {
    let mut stage = Stage { canvas, chance: Chance::new(cover.seed), palette: cover.palette };
    stage.set();
    match cover.scene {
        Scene::Dashboard => apps::dashboard(&mut stage),
        Scene::Board => apps::board(&mut stage),
        Scene::Gallery => apps::gallery(&mut stage),
        Scene::Table => apps::table(&mut stage),
        Scene::Phones => apps::phones(&mut stage),
        Scene::Code => text::code(&mut stage),
        Scene::Terminal => text::terminal(&mut stage),
        Scene::Chat => text::chat(&mut stage),
        Scene::Endpoints => flows::endpoints(&mut stage),
        Scene::Pipeline => flows::pipeline(&mut stage),
        Scene::Parts => parts::parts(&mut stage),
        Scene::Charts => parts::charts(&mut stage),
    }
}

impl Stage<'_> {
    /// Ground, grid, light.
    fn set(&mut self) {
        let Palette { from, to, glow, second, .. } = self.palette;
        let left = self.chance.between(80.0, 420.0);
        let (above, below) = (self.chance.between(-60.0, 160.0), self.chance.between(620.0, 860.0));
        let lights = [
            Light { centre: (left, above), radius: 560.0, colour: glow, strength: 0.55 },
            Light { centre: (1280.0 - left * 0.6, below), radius: 500.0, colour: second, strength: 0.38 },
        ];
        self.canvas.ground(mix(from, DEEP, 0.25), mix(to, DEEP, 0.45), &lights);
        let step = self.chance.pick(&[64.0, 80.0]);
        for i in 1..20 {
            let at = i as f32 * step;
            self.canvas.fill(rect(at, 0.0, 1.0, 800.0, 0.0), [255; 3], 0.045);
            self.canvas.fill(rect(0.0, at, 1280.0, 1.0, 0.0), [255; 3], 0.045);
        }
    }

    /// A window with a title bar; what it holds is returned as a rectangle.
    fn window(&mut self, frame: Rect) -> Rect {
        self.canvas.shadow(frame, 60.0, 0.55);
        self.canvas.fill(frame, SURFACE, 1.0);
        self.canvas.fill(Rect { h: 44.0, ..frame }, RAISED, 0.75);
        self.canvas.fill(rect(frame.x, frame.y + 36.0, frame.w, 9.0, 0.0), SURFACE, 1.0);
        self.canvas.fill(rect(frame.x, frame.y + 36.0, frame.w, 1.0, 0.0), EDGE, 0.8);
        for (i, colour) in [RED, YELLOW, GREEN].into_iter().enumerate() {
            self.canvas.disc((frame.x + 24.0 + i as f32 * 20.0, frame.y + 19.0), 6.0, colour, 0.9);
        }
        self.canvas.stroke(frame, 1.5, EDGE, 0.9);
        rect(frame.x, frame.y + 38.0, frame.w, frame.h - 38.0, 0.0)
    }

    /// A surface on a surface.
    fn card(&mut self, frame: Rect) {
        self.canvas.fill(frame, RAISED, 0.72);
        self.canvas.stroke(frame, 1.5, EDGE, 0.8);
    }

    /// A line of text, as a bar.
    fn words(&mut self, x: f32, y: f32, w: f32, colour: Colour, opacity: f32) {
        self.canvas.fill(rect(x, y, w, 10.0, 5.0), colour, opacity);
    }

    /// A label in a colour.
    fn badge(&mut self, x: f32, y: f32, w: f32, colour: Colour) {
        self.canvas.fill(rect(x, y, w, 24.0, 12.0), mix(SURFACE, colour, 0.28), 1.0);
        self.words(x + 12.0, y + 7.0, w - 24.0, colour, 0.95);
    }

    /// A round picture of somebody.
    fn face(&mut self, x: f32, y: f32, r: f32) {
        let colour = self.chance.pick(&[self.palette.accent, self.palette.second, MUTED, self.palette.glow]);
        self.canvas.disc((x, y), r, mix(SURFACE, colour, 0.55), 1.0);
        self.canvas.disc((x, y - r * 0.22), r * 0.34, mix(colour, [255; 3], 0.4), 1.0);
        self.canvas.fill(rect(x - r * 0.52, y + r * 0.22, r * 1.04, r * 0.5, r * 0.3), mix(colour, [255; 3], 0.4), 1.0);
    }

    /// Heights that wander upwards, from 0 to 1.
    fn trend(&self, n: usize) -> Vec<f32> {
        let mut level = self.chance.between(0.18, 0.32);
        (0..n)
            .map(|i| {
                level += self.chance.between(-0.09, 0.15);
                level.clamp(0.08, 0.72) + 0.22 * i as f32 / n as f32
            })
            .collect()
    }
}
