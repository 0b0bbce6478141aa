//! What is read: source text, a terminal, a conversation.

use super::Stage;
use crate::{
    canvas::{Light, rect},
    palette::{BLUE, DEEP, EDGE, GREEN, MUTED, RAISED, SURFACE, TEXT, VIOLET, YELLOW, mix},
};

/// An editor: files at the left, a function at the right, a result below it.
pub(super) fn code(s: &mut Stage<'_>) {
    let body = s.window(rect(140.0, 88.0, 1000.0, 624.0, 18.0));
    s.canvas.fill(rect(body.x + 1.5, body.y, 218.0, body.h - 18.0, 0.0), DEEP, 0.55);
    let open = 3 + s.chance.below(4);
    for i in 0..14 {
        let y = body.y + 28.0 + i as f32 * 36.0;
        let depth = [0.0, 18.0, 18.0, 36.0, 36.0, 36.0, 18.0, 18.0, 36.0, 36.0, 0.0, 18.0, 0.0, 0.0][i];
        if i == open {
            s.canvas.fill(rect(body.x + 8.0, y - 13.0, 204.0, 36.0, 8.0), mix(DEEP, s.palette.accent, 0.28), 1.0);
        }
        let mark = if depth < 20.0 && i % 5 == 0 { s.palette.second } else { MUTED };
        s.canvas.fill(rect(body.x + 24.0 + depth, y - 2.0, 13.0, 13.0, 4.0), mark, 0.8);
        let w = s.chance.between(50.0, 116.0 - depth * 0.4);
        s.words(body.x + 48.0 + depth, y, w, if i == open { TEXT } else { MUTED }, 0.75);
    }
    let left = body.x + 254.0;
    s.words(left, body.y + 24.0, 96.0, s.palette.accent, 0.9);
    s.words(left + 130.0, body.y + 24.0, 80.0, MUTED, 0.6);
    s.canvas.fill(rect(body.x + 220.0, body.y + 54.0, body.w - 221.0, 1.5, 0.0), EDGE, 0.7);
    let indents = [0, 1, 1, 2, 2, 3, 2, 1, 1, 2, 2, 1, 0, 0, 1, 1];
    let colours = [s.palette.accent, s.palette.second, VIOLET, GREEN, YELLOW, BLUE];
    for (i, indent) in indents.into_iter().enumerate() {
        let y = body.y + 78.0 + i as f32 * 31.0;
        s.words(left - 14.0, y, 12.0, EDGE, 0.9);
        let mut x = left + 26.0 + indent as f32 * 34.0;
        let words = 2 + s.chance.below(4);
        for n in 0..words {
            let w = s.chance.between(28.0, 120.0);
            if x + w > body.x + body.w - 40.0 {
                break;
            }
            let colour =
                if n == 0 { s.chance.pick(&colours) } else { s.chance.pick(&[TEXT, TEXT, MUTED, s.palette.second, GREEN]) };
            s.words(x, y, w, colour, 0.82);
            x += w + 14.0;
        }
    }
    let popup = rect(body.x + 600.0, body.y + 338.0, 330.0, 176.0, 14.0);
    s.canvas.shadow(popup, 40.0, 0.6);
    s.canvas.fill(popup, RAISED, 1.0);
    s.canvas.stroke(popup, 1.5, EDGE, 1.0);
    for i in 0..4 {
        let y = popup.y + 18.0 + i as f32 * 37.0;
        if i == 1 {
            s.canvas.fill(rect(popup.x + 8.0, y - 7.0, popup.w - 16.0, 36.0, 9.0), mix(RAISED, s.palette.accent, 0.35), 1.0);
        }
        s.canvas.fill(rect(popup.x + 20.0, y, 20.0, 20.0, 6.0), s.chance.pick(&colours), 0.9);
        s.words(popup.x + 54.0, y + 5.0, s.chance.between(70.0, 150.0), TEXT, 0.85);
        s.words(popup.x + 240.0, y + 5.0, s.chance.between(36.0, 66.0), MUTED, 0.8);
    }
}

/// Commands, their output, and a bar that fills.
pub(super) fn terminal(s: &mut Stage<'_>) {
    let body = s.window(rect(170.0, 108.0, 940.0, 584.0, 18.0));
    s.canvas.fill(rect(body.x + 1.5, body.y, body.w - 3.0, body.h - 20.0, 0.0), DEEP, 0.6);
    let mut y = body.y + 36.0;
    for block in 0..3 {
        s.canvas.line((body.x + 36.0, y), (body.x + 44.0, y + 6.0), 3.5, s.palette.accent, 1.0);
        s.canvas.line((body.x + 44.0, y + 6.0), (body.x + 36.0, y + 12.0), 3.5, s.palette.accent, 1.0);
        let mut x = body.x + 62.0;
        for (i, colour) in [s.palette.second, TEXT, MUTED].into_iter().enumerate() {
            let w = s.chance.between(70.0, 160.0) - i as f32 * 14.0;
            s.words(x, y + 1.0, w, colour, 0.9);
            x += w + 16.0;
        }
        y += 34.0;
        for _ in 0..2 + block {
            s.canvas.disc((body.x + 68.0, y + 5.0), 5.0, GREEN, 0.95);
            let w = s.chance.between(160.0, 420.0);
            s.words(body.x + 88.0, y, w, MUTED, 0.75);
            s.words(body.x + body.w - 110.0, y, s.chance.between(36.0, 70.0), EDGE, 1.0);
            y += 29.0;
        }
        y += 14.0;
    }
    let bar = rect(body.x + 36.0, body.y + body.h - 96.0, body.w - 72.0, 16.0, 8.0);
    s.canvas.fill(bar, RAISED, 1.0);
    let part = s.chance.between(0.55, 0.88);
    s.canvas.fill(rect(bar.x, bar.y, bar.w * part, bar.h, 8.0), s.palette.accent, 1.0);
    s.canvas.glow(Light { centre: (bar.x + bar.w * part, bar.y + 8.0), radius: 70.0, colour: s.palette.accent, strength: 0.6 });
    s.words(bar.x, bar.y + 34.0, 120.0, TEXT, 0.8);
    s.words(bar.x + bar.w - 80.0, bar.y + 34.0, 80.0, s.palette.second, 0.9);
}

/// People talking, with a list of rooms.
pub(super) fn chat(s: &mut Stage<'_>) {
    let body = s.window(rect(130.0, 92.0, 1020.0, 616.0, 18.0));
    s.canvas.fill(rect(body.x + 300.0, body.y, 1.5, body.h, 0.0), EDGE, 0.8);
    s.canvas.fill(rect(body.x + 20.0, body.y + 20.0, 260.0, 36.0, 18.0), RAISED, 1.0);
    s.words(body.x + 42.0, body.y + 33.0, 90.0, MUTED, 0.8);
    let active = s.chance.below(4);
    for i in 0..7 {
        let y = body.y + 92.0 + i as f32 * 68.0;
        if i == active {
            s.canvas.fill(rect(body.x + 12.0, y - 16.0, 276.0, 62.0, 12.0), mix(SURFACE, s.palette.accent, 0.2), 1.0);
        }
        s.face(body.x + 46.0, y + 15.0, 21.0);
        s.words(body.x + 82.0, y + 2.0, s.chance.between(70.0, 130.0), TEXT, 0.85);
        s.words(body.x + 82.0, y + 21.0, s.chance.between(90.0, 160.0), MUTED, 0.7);
        if s.chance.happens(35) {
            s.canvas.disc((body.x + 266.0, y + 15.0), 8.0, s.palette.accent, 1.0);
        }
    }
    let mut y = body.y + 36.0;
    for i in 0..5 {
        let own = i % 2 == 1;
        let lines = 1 + s.chance.below(3);
        let w = s.chance.between(230.0, 420.0);
        let h = 34.0 + lines as f32 * 20.0;
        if y + h > body.y + body.h - 96.0 {
            break;
        }
        let x = if own { body.x + body.w - 40.0 - w } else { body.x + 382.0 };
        if !own {
            s.face(body.x + 348.0, y + 20.0, 18.0);
        }
        s.canvas.fill(rect(x, y, w, h, 18.0), if own { mix(SURFACE, s.palette.accent, 0.75) } else { RAISED }, 1.0);
        for line in 0..lines {
            let full = w - 44.0;
            let length = if line + 1 == lines { full * s.chance.between(0.4, 0.8) } else { full };
            s.words(x + 22.0, y + 22.0 + line as f32 * 20.0, length, if own { SURFACE } else { TEXT }, 0.75);
        }
        y += h + 20.0;
    }
    let field = rect(body.x + 330.0, body.y + body.h - 76.0, body.w - 366.0, 50.0, 25.0);
    s.canvas.fill(field, RAISED, 1.0);
    s.words(field.x + 26.0, field.y + 20.0, 130.0, MUTED, 0.7);
    s.canvas.disc((field.x + field.w - 26.0, field.y + 25.0), 17.0, s.palette.accent, 1.0);
}
