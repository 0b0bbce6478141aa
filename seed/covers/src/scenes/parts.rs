//! Pieces to build from: controls, and charts.

use super::Stage;
use crate::{
    canvas::{Rect, rect},
    palette::{BLUE, EDGE, GREEN, MUTED, RAISED, SURFACE, TEXT, VIOLET, YELLOW, mix},
};

/// Nine controls on nine cards.
pub(super) fn parts(s: &mut Stage<'_>) {
    let kinds: [fn(&mut Stage<'_>, Rect); 9] = [buttons, switches, ring, calendar, fields, slider, bars, faces, stepper];
    let turn = s.chance.below(kinds.len());
    for row in 0..3 {
        for column in 0..3 {
            let shift = if column == 1 { -26.0 } else { 10.0 };
            let frame = rect(118.0 + column as f32 * 356.0, 92.0 + row as f32 * 216.0 + shift, 332.0, 194.0, 20.0);
            s.canvas.shadow(frame, 40.0, 0.45);
            s.canvas.fill(frame, SURFACE, 1.0);
            s.canvas.stroke(frame, 1.5, EDGE, 0.9);
            kinds[(row * 3 + column + turn) % kinds.len()](s, frame);
        }
    }
}

fn buttons(s: &mut Stage<'_>, f: Rect) {
    for (i, (colour, solid)) in [(s.palette.accent, true), (RAISED, true), (s.palette.accent, false)].into_iter().enumerate() {
        let b = rect(f.x + 34.0, f.y + 26.0 + i as f32 * 50.0, 264.0 - i as f32 * 44.0, 40.0, 12.0);
        if solid {
            s.canvas.fill(b, colour, 1.0);
        } else {
            s.canvas.stroke(b, 2.0, colour, 1.0);
        }
        let text = if i == 0 { SURFACE } else { TEXT };
        s.words(b.x + 26.0, b.y + 15.0, 96.0, text, 0.85);
    }
}

fn switches(s: &mut Stage<'_>, f: Rect) {
    for i in 0..3 {
        let (y, on) = (f.y + 30.0 + i as f32 * 50.0, s.chance.happens(65) || i == 0);
        s.words(f.x + 34.0, y + 12.0, s.chance.between(90.0, 150.0), TEXT, 0.8);
        let track = rect(f.x + f.w - 94.0, y, 60.0, 34.0, 17.0);
        s.canvas.fill(track, if on { s.palette.accent } else { EDGE }, 1.0);
        s.canvas.disc((if on { track.x + 43.0 } else { track.x + 17.0 }, y + 17.0), 12.5, [255; 3], 0.95);
    }
}

fn ring(s: &mut Stage<'_>, f: Rect) {
    let centre = (f.x + 104.0, f.y + 97.0);
    s.canvas.arc(centre, 54.0, 18.0, 1.0, RAISED);
    let part = s.chance.between(0.45, 0.85);
    s.canvas.arc(centre, 54.0, 18.0, part, s.palette.accent);
    s.canvas.arc(centre, 54.0, 18.0, part * 0.42, s.palette.second);
    s.canvas.fill(rect(centre.0 - 26.0, centre.1 - 9.0, 52.0, 18.0, 7.0), TEXT, 0.9);
    for (i, colour) in [s.palette.accent, s.palette.second, EDGE].into_iter().enumerate() {
        let y = f.y + 58.0 + i as f32 * 36.0;
        s.canvas.disc((f.x + 206.0, y + 5.0), 7.0, colour, 1.0);
        s.words(f.x + 224.0, y, s.chance.between(44.0, 74.0), MUTED, 0.9);
    }
}

fn calendar(s: &mut Stage<'_>, f: Rect) {
    s.words(f.x + 30.0, f.y + 24.0, 96.0, TEXT, 0.85);
    let (from, to) = (8 + s.chance.below(4), 15 + s.chance.below(6));
    for day in 0..28 {
        let (x, y) = (f.x + 44.0 + (day % 7) as f32 * 41.0, f.y + 66.0 + (day / 7) as f32 * 33.0);
        let within = (from..=to).contains(&day);
        if within {
            s.canvas.fill(rect(x - 20.5, y - 13.0, 41.0, 26.0, 0.0), mix(SURFACE, s.palette.accent, 0.25), 1.0);
        }
        if day == from || day == to {
            s.canvas.disc((x, y), 15.0, s.palette.accent, 1.0);
        }
        s.canvas.disc(
            (x, y),
            4.5,
            if day == from || day == to {
                SURFACE
            } else if within {
                TEXT
            } else {
                MUTED
            },
            0.9,
        );
    }
}

fn fields(s: &mut Stage<'_>, f: Rect) {
    for i in 0..2 {
        let y = f.y + 26.0 + i as f32 * 76.0;
        s.words(f.x + 34.0, y, s.chance.between(60.0, 100.0), MUTED, 0.9);
        let b = rect(f.x + 34.0, y + 20.0, f.w - 68.0, 42.0, 11.0);
        s.canvas.fill(b, RAISED, 0.8);
        s.canvas.stroke(b, 2.0, if i == 0 { s.palette.accent } else { EDGE }, 1.0);
        let w = s.chance.between(80.0, 150.0);
        s.words(b.x + 18.0, b.y + 16.0, w, TEXT, 0.85);
        if i == 0 {
            s.canvas.fill(rect(b.x + 26.0 + w, b.y + 10.0, 2.5, 22.0, 0.0), s.palette.accent, 1.0);
        }
    }
}

fn slider(s: &mut Stage<'_>, f: Rect) {
    for (i, colour) in [s.palette.accent, s.palette.second].into_iter().enumerate() {
        let y = f.y + 64.0 + i as f32 * 66.0;
        s.words(f.x + 34.0, y - 28.0, 84.0, MUTED, 0.9);
        s.canvas.fill(rect(f.x + 34.0, y, f.w - 68.0, 10.0, 5.0), RAISED, 1.0);
        let w = s.chance.between(90.0, 220.0);
        s.canvas.fill(rect(f.x + 34.0, y, w, 10.0, 5.0), colour, 1.0);
        s.canvas.disc((f.x + 34.0 + w, y + 5.0), 14.0, [255; 3], 0.97);
    }
}

fn bars(s: &mut Stage<'_>, f: Rect) {
    for i in 0..8 {
        let h = s.chance.between(34.0, 136.0);
        let colour = if i == 5 { s.palette.accent } else { mix(SURFACE, s.palette.accent, 0.4) };
        s.canvas.fill(rect(f.x + 36.0 + i as f32 * 34.0, f.y + 168.0 - h, 22.0, h, 7.0), colour, 1.0);
    }
}

fn faces(s: &mut Stage<'_>, f: Rect) {
    for i in 0..2 {
        let y = f.y + 60.0 + i as f32 * 74.0;
        s.face(f.x + 62.0, y, 27.0);
        s.words(f.x + 106.0, y - 14.0, s.chance.between(80.0, 120.0), TEXT, 0.85);
        s.words(f.x + 106.0, y + 5.0, s.chance.between(50.0, 90.0), MUTED, 0.8);
        let hue = s.chance.pick(&[GREEN, BLUE, YELLOW]);
        s.badge(f.x + f.w - 96.0, y - 12.0, 66.0, hue);
    }
}

fn stepper(s: &mut Stage<'_>, f: Rect) {
    let done = 1 + s.chance.below(2);
    for i in 0..4 {
        let x = f.x + 56.0 + i as f32 * 73.0;
        if i < 3 {
            s.canvas.fill(rect(x, f.y + 72.0, 73.0, 4.0, 0.0), if i < done { s.palette.accent } else { EDGE }, 1.0);
        }
        s.canvas.disc((x, f.y + 74.0), 19.0, if i <= done { s.palette.accent } else { RAISED }, 1.0);
        s.canvas.disc((x, f.y + 74.0), 7.0, if i <= done { SURFACE } else { MUTED }, 1.0);
        s.words(x - 24.0, f.y + 112.0, 48.0, if i <= done { TEXT } else { MUTED }, 0.8);
    }
    s.words(f.x + 34.0, f.y + 148.0, f.w - 120.0, MUTED, 0.6);
}

/// A large chart and three small ones.
pub(super) fn charts(s: &mut Stage<'_>) {
    let big = rect(96.0, 96.0, 690.0, 608.0, 22.0);
    s.canvas.shadow(big, 50.0, 0.5);
    s.canvas.fill(big, SURFACE, 1.0);
    s.canvas.stroke(big, 1.5, EDGE, 0.9);
    s.words(big.x + 36.0, big.y + 38.0, 170.0, TEXT, 0.9);
    for i in 0..3 {
        s.badge(big.x + big.w - 120.0 - i as f32 * 96.0, big.y + 30.0, 84.0, if i == 1 { s.palette.accent } else { MUTED });
    }
    for i in 0..6 {
        s.canvas.fill(rect(big.x + 36.0, big.y + 120.0 + i as f32 * 84.0, big.w - 72.0, 1.0, 0.0), EDGE, 0.8);
    }
    for (colour, lift, strength) in [(VIOLET, 0.0, 0.12), (s.palette.second, 70.0, 0.2), (s.palette.accent, 130.0, 0.36)] {
        let points: Vec<_> = s
            .trend(14)
            .iter()
            .enumerate()
            .map(|(i, h)| (big.x + 36.0 + i as f32 * 47.5, big.y + 540.0 - lift - h * 270.0))
            .collect();
        s.canvas.area(&points, big.y + 542.0, colour, strength);
    }
    let cards =
        [rect(818.0, 96.0, 366.0, 190.0, 22.0), rect(818.0, 305.0, 366.0, 190.0, 22.0), rect(818.0, 514.0, 366.0, 190.0, 22.0)];
    for (i, frame) in cards.into_iter().enumerate() {
        s.canvas.shadow(frame, 40.0, 0.45);
        s.canvas.fill(frame, SURFACE, 1.0);
        s.canvas.stroke(frame, 1.5, EDGE, 0.9);
        match i {
            0 => ring(s, frame),
            1 => bars(s, frame),
            _ => heat(s, frame),
        }
    }
}

/// Days by how busy they were.
fn heat(s: &mut Stage<'_>, f: Rect) {
    for column in 0..13 {
        for row in 0..6 {
            let level = s.chance.part();
            let cell = rect(f.x + 28.0 + column as f32 * 24.0, f.y + 24.0 + row as f32 * 25.0, 19.0, 19.0, 5.0);
            s.canvas.fill(cell, mix(RAISED, s.palette.accent, level * level), 1.0);
        }
    }
}
