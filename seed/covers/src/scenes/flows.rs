//! What happens between programs: requests, and steps in a row.

use super::Stage;
use crate::{
    canvas::rect,
    palette::{BLUE, DEEP, EDGE, GREEN, MUTED, RAISED, RED, SURFACE, TEXT, VIOLET, YELLOW, mix},
};

/// Routes at the left, an answer at the right, and the line that joins them.
pub(super) fn endpoints(s: &mut Stage<'_>) {
    let left = s.window(rect(96.0, 120.0, 500.0, 560.0, 18.0));
    let methods = [GREEN, BLUE, YELLOW, VIOLET, RED];
    let chosen = 1 + s.chance.below(5);
    for i in 0..7 {
        let y = left.y + 30.0 + i as f32 * 68.0;
        if i == chosen {
            s.canvas.fill(rect(left.x + 14.0, y - 14.0, left.w - 28.0, 58.0, 12.0), mix(SURFACE, s.palette.accent, 0.22), 1.0);
            s.canvas.stroke(rect(left.x + 14.0, y - 14.0, left.w - 28.0, 58.0, 12.0), 2.0, s.palette.accent, 0.9);
        }
        let method = methods[(i + s.chance.below(2)) % methods.len()];
        s.canvas.fill(rect(left.x + 30.0, y, 74.0, 30.0, 9.0), mix(SURFACE, method, 0.3), 1.0);
        s.words(left.x + 46.0, y + 10.0, 42.0, method, 1.0);
        let mut x = left.x + 126.0;
        for _ in 0..2 + s.chance.below(2) {
            s.canvas.line((x, y + 22.0), (x + 6.0, y + 8.0), 2.5, MUTED, 0.8);
            let w = s.chance.between(44.0, 86.0);
            s.words(x + 16.0, y + 10.0, w, TEXT, 0.8);
            x += w + 30.0;
        }
    }
    let right = s.window(rect(690.0, 180.0, 494.0, 470.0, 18.0));
    s.canvas.fill(rect(right.x + 1.5, right.y, right.w - 3.0, right.h - 20.0, 0.0), DEEP, 0.5);
    s.badge(right.x + 28.0, right.y + 22.0, 84.0, GREEN);
    s.words(right.x + 130.0, right.y + 29.0, 70.0, MUTED, 0.8);
    for (i, indent) in [0, 1, 1, 1, 2, 2, 2, 1, 1, 0].into_iter().enumerate() {
        let (x, y) = (right.x + 34.0 + indent as f32 * 32.0, right.y + 76.0 + i as f32 * 32.0);
        if i == 0 || i == 9 {
            s.words(x, y, 16.0, MUTED, 1.0);
            continue;
        }
        let key = s.chance.between(50.0, 104.0);
        s.words(x, y, key, s.palette.accent, 0.9);
        let value = s.chance.pick(&[GREEN, YELLOW, s.palette.second, TEXT]);
        s.words(x + key + 18.0, y, s.chance.between(48.0, 170.0), value, 0.85);
    }
    let from = (left.x + left.w - 14.0, left.y + 45.0 + chosen as f32 * 68.0);
    let to = (right.x, right.y + 34.0);
    s.canvas.curve(from, to, 10.0, s.palette.accent, 0.10);
    s.canvas.curve(from, to, 4.0, s.palette.accent, 1.0);
    s.canvas.disc(from, 8.0, s.palette.accent, 1.0);
    s.canvas.disc(to, 8.0, s.palette.accent, 1.0);
}

/// Boxes in three columns, joined by curves, each with its state.
pub(super) fn pipeline(s: &mut Stage<'_>) {
    let columns: [&[f32]; 4] = [&[240.0, 470.0], &[160.0, 355.0, 550.0], &[250.0, 460.0], &[355.0]];
    let centres = |column: usize| -> Vec<(f32, f32)> {
        columns[column].iter().map(|y| (178.0 + column as f32 * 308.0, y + 45.0)).collect()
    };
    for column in 0..3 {
        let joins = [s.palette.accent, s.palette.second, MUTED];
        for (i, from) in centres(column).into_iter().enumerate() {
            for (j, to) in centres(column + 1).into_iter().enumerate() {
                if i.abs_diff(j) <= 1 {
                    let colour = joins[(i + j) % 3];

                    s.canvas.curve((from.0 + 108.0, from.1), (to.0 - 108.0, to.1), 3.5, colour, 0.9);
                }
            }
        }
    }
    for column in 0..4 {
        for (x, y) in centres(column) {
            node(s, x, y, column == 3);
        }
    }
    let log = rect(96.0, 668.0, 1088.0, 72.0, 16.0);
    s.canvas.shadow(log, 40.0, 0.5);
    s.canvas.fill(log, SURFACE, 1.0);
    s.canvas.stroke(log, 1.5, EDGE, 0.9);
    for i in 0..36 {
        let h = s.chance.between(8.0, 40.0);
        let colour = if s.chance.happens(8) { RED } else { s.palette.accent };
        s.canvas.fill(rect(log.x + 28.0 + i as f32 * 29.0, log.y + 56.0 - h, 16.0, h, 5.0), colour, 0.85);
    }
}

fn node(s: &mut Stage<'_>, x: f32, y: f32, last: bool) {
    let frame = rect(x - 108.0, y - 47.0, 216.0, 94.0, 18.0);
    s.canvas.shadow(frame, 22.0, 0.5);
    s.canvas.fill(frame, if last { mix(SURFACE, s.palette.accent, 0.3) } else { SURFACE }, 1.0);
    s.canvas.stroke(frame, 2.0, if last { s.palette.accent } else { EDGE }, 1.0);
    let hue = s.chance.pick(&[s.palette.accent, s.palette.second, BLUE, GREEN, YELLOW, VIOLET]);
    s.canvas.fill(rect(frame.x + 18.0, frame.y + 22.0, 50.0, 50.0, 14.0), mix(SURFACE, hue, 0.45), 1.0);
    let (cx, cy) = (frame.x + 43.0, frame.y + 47.0);
    match s.chance.below(3) {
        0 => s.canvas.disc((cx, cy), 12.0, hue, 1.0),
        1 => s.canvas.fill(rect(cx - 11.0, cy - 11.0, 22.0, 22.0, 5.0), hue, 1.0),
        _ => s.canvas.arc((cx, cy), 11.0, 6.0, 0.75, hue),
    }
    s.words(frame.x + 86.0, frame.y + 30.0, s.chance.between(64.0, 104.0), TEXT, 0.9);
    s.words(frame.x + 86.0, frame.y + 52.0, s.chance.between(40.0, 80.0), MUTED, 0.8);
    let state = if s.chance.happens(80) { GREEN } else { YELLOW };
    s.canvas.disc((frame.x + frame.w - 20.0, frame.y + 20.0), 6.0, state, 1.0);
    s.canvas.disc((frame.x, y), 7.0, RAISED, 1.0);
    s.canvas.disc((frame.x + frame.w, y), 7.0, RAISED, 1.0);
}
