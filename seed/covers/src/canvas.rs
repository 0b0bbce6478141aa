//! Shapes with smooth edges on an opaque ground. Each shape is a distance function: a pixel is covered by how far it lies
//! inside. Only the pixels around a shape are visited.

use crate::palette::{Colour, mix};

/// A place, in pixels from the upper left.
pub(crate) type Point = (f32, f32);

/// A rectangle with equal corners.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rect {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
    pub r: f32,
}

pub(crate) const fn rect(x: f32, y: f32, w: f32, h: f32, r: f32) -> Rect {
    Rect { x, y, w, h, r }
}

impl Rect {
    /// The same, smaller on every side.
    pub fn inset(self, by: f32) -> Rect {
        rect(self.x + by, self.y + by, self.w - 2.0 * by, self.h - 2.0 * by, (self.r - by).max(0.0))
    }

    fn distance(&self, (x, y): Point) -> f32 {
        let r = self.r.min(self.w / 2.0).min(self.h / 2.0);
        let qx = (x - self.x - self.w / 2.0).abs() - self.w / 2.0 + r;
        let qy = (y - self.y - self.h / 2.0).abs() - self.h / 2.0 + r;
        qx.max(0.0).hypot(qy.max(0.0)) + qx.max(qy).min(0.0) - r
    }
}

/// Light that fades towards its radius.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Light {
    pub centre: Point,
    pub radius: f32,
    pub colour: Colour,
    pub strength: f32,
}

impl Light {
    fn at(&self, (x, y): Point) -> f32 {
        let (dx, dy) = ((x - self.centre.0) / self.radius, (y - self.centre.1) / self.radius);
        let fade = (1.0 - dx * dx - dy * dy).max(0.0);
        self.strength * fade * fade
    }
}

pub(crate) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    pub fn new(width: u32, height: u32) -> Self {
        let (width, height) = (width as usize, height as usize);
        Self { width, height, pixels: vec![[0; 3]; width * height] }
    }

    /// Fills everything with a gradient from one corner to the other, and lights on it that fade towards their radius. Computed
    /// for squares of four pixels: nobody sees a step of one shade, and the encoder is spared a million of them.
    pub fn ground(&mut self, from: Colour, to: Colour, lights: &[Light]) {
        const SQUARE: usize = 4;
        let length = (self.width + self.height) as f32;
        for y in (0..self.height).step_by(SQUARE) {
            for x in (0..self.width).step_by(SQUARE) {
                let colour = lights.iter().fold(mix(from, to, (x + y) as f32 / length), |ground, light| {
                    mix(ground, light.colour, light.at((x as f32, y as f32)))
                });
                for row in y..(y + SQUARE).min(self.height) {
                    let start = row * self.width + x;
                    self.pixels[start..(start + SQUARE).min((row + 1) * self.width)].fill(colour);
                }
            }
        }
    }

    /// Light on what is drawn already.
    pub fn glow(&mut self, light: Light) {
        let ((cx, cy), radius) = (light.centre, light.radius);
        self.paint(cx - radius, cy - radius, cx + radius, cy + radius, light.colour, |at| light.at(at));
    }

    pub fn fill(&mut self, shape: Rect, colour: Colour, opacity: f32) {
        self.paint(shape.x, shape.y, shape.x + shape.w, shape.y + shape.h, colour, |at| {
            opacity * (0.5 - shape.distance(at)).clamp(0.0, 1.0)
        });
    }

    /// The outline, `width` pixels wide, inside the edge.
    pub fn stroke(&mut self, shape: Rect, width: f32, colour: Colour, opacity: f32) {
        self.paint(shape.x, shape.y, shape.x + shape.w, shape.y + shape.h, colour, |at| {
            let d = (shape.distance(at) + width / 2.0).abs() - width / 2.0;
            opacity * (0.5 - d).clamp(0.0, 1.0)
        });
    }

    /// What a raised surface throws below itself.
    pub fn shadow(&mut self, shape: Rect, blur: f32, opacity: f32) {
        let low = Rect { y: shape.y + blur * 0.4, ..shape };
        self.paint(low.x - blur, low.y - blur, low.x + low.w + blur, low.y + low.h + blur, [0, 0, 0], |at| {
            let part = (1.0 - low.distance(at) / blur).clamp(0.0, 1.0);
            opacity * part * part
        });
    }

    pub fn disc(&mut self, (cx, cy): Point, radius: f32, colour: Colour, opacity: f32) {
        self.fill(rect(cx - radius, cy - radius, 2.0 * radius, 2.0 * radius, radius), colour, opacity);
    }

    /// A part of a ring, clockwise from the top; `part` is of the whole turn.
    pub fn arc(&mut self, (cx, cy): Point, radius: f32, width: f32, part: f32, colour: Colour) {
        let reach = radius + width;
        self.paint(cx - reach, cy - reach, cx + reach, cy + reach, colour, |(x, y)| {
            let (dx, dy) = (x - cx, y - cy);
            let turn = (dx.atan2(-dy) / std::f32::consts::TAU).rem_euclid(1.0);
            let edge = ((part - turn) * std::f32::consts::TAU * radius).clamp(0.0, 1.0);
            let d = (dx.hypot(dy) - radius).abs() - width / 2.0;
            edge * (0.5 - d).clamp(0.0, 1.0)
        });
    }

    /// A straight line with round ends.
    pub fn line(&mut self, a: Point, b: Point, width: f32, colour: Colour, opacity: f32) {
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let squared = (dx * dx + dy * dy).max(1e-6);
        self.paint(a.0.min(b.0) - width, a.1.min(b.1) - width, a.0.max(b.0) + width, a.1.max(b.1) + width, colour, |(x, y)| {
            let along = (((x - a.0) * dx + (y - a.1) * dy) / squared).clamp(0.0, 1.0);
            let d = (x - a.0 - along * dx).hypot(y - a.1 - along * dy) - width / 2.0;
            opacity * (0.5 - d).clamp(0.0, 1.0)
        });
    }

    /// A curve that leaves and arrives level, as between two boxes side by side.
    pub fn curve(&mut self, a: Point, b: Point, width: f32, colour: Colour, opacity: f32) {
        const STEPS: usize = 24;
        let at = |i: usize| {
            let t = i as f32 / STEPS as f32;
            (a.0 + (b.0 - a.0) * t, a.1 + (b.1 - a.1) * (t * t * (3.0 - 2.0 * t)))
        };
        for i in 0..STEPS {
            self.line(at(i), at(i + 1), width, colour, opacity);
        }
    }

    /// Connects points by lines and fills what is below them, fading out towards `floor`.
    pub fn area(&mut self, points: &[Point], floor: f32, colour: Colour, opacity: f32) {
        for pair in points.windows(2) {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let top = y0.min(y1);
            self.paint(x0, top, x1, floor, colour, |(x, y)| {
                let edge = y0 + (y1 - y0) * (x - x0) / (x1 - x0).max(1e-6);
                let inside = x >= x0 && x < x1;
                if inside { opacity * (y - edge).clamp(0.0, 1.0) * (1.0 - (y - top) / (floor - top).max(1.0)) } else { 0.0 }
            });
        }
        for pair in points.windows(2) {
            self.line(pair[0], pair[1], 4.0, colour, 1.0);
        }
    }

    /// The picture in a size `factor` times smaller, as bytes of red, green and blue.
    pub fn reduced(&self, factor: usize) -> (u32, u32, Vec<u8>) {
        let (width, height, count) = (self.width / factor, self.height / factor, (factor * factor) as u32);
        let mut bytes = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let mut sum = [0u32; 3];
                for row in 0..factor {
                    let start = (y * factor + row) * self.width + x * factor;
                    for pixel in &self.pixels[start..start + factor] {
                        (0..3).for_each(|i| sum[i] += u32::from(pixel[i]));
                    }
                }
                bytes.extend(sum.map(|s| ((s + count / 2) / count) as u8));
            }
        }
        (width as u32, height as u32, bytes)
    }

    fn paint(&mut self, x0: f32, y0: f32, x1: f32, y1: f32, colour: Colour, cover: impl Fn(Point) -> f32) {
        let clip = |low: f32, high: f32, size: usize| {
            let low = (low.floor().max(0.0) as usize).min(size);
            low..(high.ceil().max(0.0) as usize).clamp(low, size)
        };
        let columns = clip(x0 - 1.0, x1 + 1.0, self.width);
        for y in clip(y0 - 1.0, y1 + 1.0, self.height) {
            for x in columns.clone() {
                let part = cover((x as f32 + 0.5, y as f32 + 0.5));
                if part > 0.002 {
                    let pixel = &mut self.pixels[y * self.width + x];
                    *pixel = if part >= 0.998 { colour } else { mix(*pixel, colour, part) };
                }
            }
        }
    }
}
