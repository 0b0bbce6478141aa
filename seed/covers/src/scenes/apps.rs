//! Applications on a desk and in the hand.

use super::Stage;
use crate::{
    canvas::{Rect, rect},
    palette::{BLUE, EDGE, GREEN, MUTED, RAISED, RED, SURFACE, TEXT, VIOLET, YELLOW, mix},
};

/// Sidebar, three figures, a curve, a list.
pub(super) fn dashboard(s: &mut Stage<'_>) {
    let body = s.window(rect(150.0, 96.0, 980.0, 612.0, 18.0));
    sidebar(s, body);
    let x = body.x + 226.0;
    s.words(x, body.y + 32.0, 190.0, TEXT, 0.9);
    s.canvas.fill(rect(body.x + body.w - 150.0, body.y + 22.0, 122.0, 32.0, 10.0), s.palette.accent, 0.95);
    s.words(body.x + body.w - 124.0, body.y + 33.0, 70.0, SURFACE, 0.85);
    for i in 0..3 {
        let card = rect(x + i as f32 * 244.0, body.y + 78.0, 226.0, 112.0, 14.0);
        s.card(card);
        s.words(card.x + 20.0, card.y + 22.0, s.chance.between(70.0, 110.0), MUTED, 0.9);
        let figure = s.chance.between(84.0, 136.0);
        s.canvas.fill(rect(card.x + 20.0, card.y + 48.0, figure, 22.0, 8.0), TEXT, 0.95);
        let good = s.chance.happens(75);
        s.badge(card.x + 20.0, card.y + 80.0, 64.0, if good { GREEN } else { RED });
        let spark: Vec<_> =
            s.trend(7).iter().enumerate().map(|(n, h)| (card.x + 128.0 + n as f32 * 13.0, card.y + 96.0 - h * 44.0)).collect();
        for pair in spark.windows(2) {
            s.canvas.line(pair[0], pair[1], 3.0, if good { s.palette.second } else { RED }, 0.9);
        }
    }
    let chart = rect(x, body.y + 208.0, 470.0, 340.0, 14.0);
    s.card(chart);
    curve(s, chart);
    let list = rect(x + 488.0, body.y + 208.0, 226.0, 340.0, 14.0);
    s.card(list);
    s.words(list.x + 20.0, list.y + 24.0, 92.0, TEXT, 0.8);
    for i in 0..5 {
        let y = list.y + 76.0 + i as f32 * 54.0;
        s.face(list.x + 38.0, y, 17.0);
        s.words(list.x + 68.0, y - 12.0, s.chance.between(60.0, 110.0), TEXT, 0.75);
        s.words(list.x + 68.0, y + 5.0, s.chance.between(40.0, 80.0), MUTED, 0.7);
    }
}

fn sidebar(s: &mut Stage<'_>, body: Rect) {
    s.canvas.fill(rect(body.x + 198.0, body.y, 1.5, body.h, 0.0), EDGE, 0.8);
    s.canvas.fill(rect(body.x + 26.0, body.y + 22.0, 32.0, 32.0, 10.0), s.palette.accent, 1.0);
    s.canvas.disc((body.x + 42.0, body.y + 38.0), 7.0, SURFACE, 0.9);
    s.words(body.x + 70.0, body.y + 33.0, 84.0, TEXT, 0.85);
    let active = s.chance.below(3);
    for i in 0..7 {
        let y = body.y + 92.0 + i as f32 * 46.0;
        if i == active {
            s.canvas.fill(rect(body.x + 14.0, y - 13.0, 170.0, 38.0, 10.0), mix(SURFACE, s.palette.accent, 0.22), 1.0);
        }
        let colour = if i == active { s.palette.accent } else { MUTED };
        s.canvas.fill(rect(body.x + 30.0, y - 3.0, 18.0, 18.0, 5.0), colour, 0.9);
        let w = s.chance.between(60.0, 104.0);
        s.words(body.x + 62.0, y + 1.0, w, if i == active { TEXT } else { MUTED }, 0.8);
    }
}

fn curve(s: &mut Stage<'_>, card: Rect) {
    s.words(card.x + 22.0, card.y + 24.0, 120.0, TEXT, 0.8);
    for i in 0..4 {
        s.canvas.fill(rect(card.x + 22.0, card.y + 96.0 + i as f32 * 62.0, card.w - 44.0, 1.0, 0.0), EDGE, 0.9);
    }
    for (colour, lift, strength) in [(s.palette.second, 0.0, 0.16), (s.palette.accent, 46.0, 0.42)] {
        let n = 11;
        let step = (card.w - 44.0) / (n - 1) as f32;
        let points: Vec<_> = s
            .trend(n)
            .iter()
            .enumerate()
            .map(|(i, h)| (card.x + 22.0 + i as f32 * step, card.y + 316.0 - lift - h * 190.0))
            .collect();
        s.canvas.area(&points, card.y + 318.0, colour, strength);
        if let Some(last) = points.get(n - 3) {
            s.canvas.disc(*last, 9.0, SURFACE, 1.0);
            s.canvas.disc(*last, 6.0, colour, 1.0);
        }
    }
}

/// Four columns of cards, one card on its way.
pub(super) fn board(s: &mut Stage<'_>) {
    let body = s.window(rect(110.0, 92.0, 1060.0, 620.0, 18.0));
    s.words(body.x + 34.0, body.y + 32.0, 170.0, TEXT, 0.9);
    for i in 0..4 {
        s.face(body.x + body.w - 60.0 - i as f32 * 28.0, body.y + 37.0, 16.0);
    }
    let marks = [BLUE, s.palette.accent, YELLOW, GREEN];
    for (column, mark) in marks.into_iter().enumerate() {
        let lane = rect(body.x + 28.0 + column as f32 * 254.0, body.y + 76.0, 238.0, body.h - 100.0, 14.0);
        s.canvas.fill(lane, RAISED, 0.38);
        s.canvas.disc((lane.x + 24.0, lane.y + 27.0), 6.0, mark, 1.0);
        s.words(lane.x + 42.0, lane.y + 22.0, s.chance.between(60.0, 110.0), TEXT, 0.75);
        let mut y = lane.y + 52.0;
        for _ in 0..3 + s.chance.below(2) {
            let tall = s.chance.happens(40);
            let h = if tall { 128.0 } else { 88.0 };
            if y + h > lane.y + lane.h - 12.0 {
                break;
            }
            ticket(s, rect(lane.x + 12.0, y, lane.w - 24.0, h, 12.0), mark, tall);
            y += h + 14.0;
        }
    }
    let moving = rect(body.x + 452.0, body.y + 356.0, 222.0, 104.0, 12.0);
    s.canvas.shadow(moving, 36.0, 0.6);
    ticket(s, moving, s.palette.accent, false);
    s.canvas.stroke(moving, 2.5, s.palette.accent, 1.0);
}

fn ticket(s: &mut Stage<'_>, frame: Rect, mark: [u8; 3], tall: bool) {
    s.canvas.fill(frame, mix(RAISED, [255; 3], 0.03), 1.0);
    s.canvas.stroke(frame, 1.5, EDGE, 0.9);
    s.canvas.fill(rect(frame.x + 16.0, frame.y + 16.0, 54.0, 7.0, 3.5), mark, 0.9);
    s.words(frame.x + 16.0, frame.y + 36.0, s.chance.between(110.0, 170.0), TEXT, 0.8);
    if tall {
        s.words(frame.x + 16.0, frame.y + 56.0, s.chance.between(80.0, 150.0), MUTED, 0.8);
        s.canvas.fill(rect(frame.x + 16.0, frame.y + frame.h - 42.0, 110.0, 8.0, 4.0), EDGE, 1.0);
        let done = s.chance.between(24.0, 100.0);
        s.canvas.fill(rect(frame.x + 16.0, frame.y + frame.h - 42.0, done, 8.0, 4.0), mark, 1.0);
    }
    s.face(frame.x + frame.w - 26.0, frame.y + frame.h - 24.0, 12.0);
    s.words(frame.x + 16.0, frame.y + frame.h - 24.0, 44.0, MUTED, 0.6);
}

/// A shop or a magazine: pictures with a line or two below.
pub(super) fn gallery(s: &mut Stage<'_>) {
    let body = s.window(rect(130.0, 92.0, 1020.0, 620.0, 18.0));
    s.canvas.fill(rect(body.x + 32.0, body.y + 22.0, 30.0, 30.0, 9.0), s.palette.accent, 1.0);
    for i in 0..4 {
        s.words(body.x + 92.0 + i as f32 * 92.0, body.y + 32.0, 58.0, if i == 0 { TEXT } else { MUTED }, 0.8);
    }
    s.canvas.fill(rect(body.x + body.w - 282.0, body.y + 20.0, 250.0, 34.0, 17.0), RAISED, 1.0);
    s.words(body.x + body.w - 262.0, body.y + 32.0, 90.0, MUTED, 0.7);
    let hues = [s.palette.accent, s.palette.second, s.palette.glow, BLUE, VIOLET, YELLOW];
    for row in 0..2 {
        for column in 0..4 {
            let card = rect(body.x + 32.0 + column as f32 * 242.0, body.y + 82.0 + row as f32 * 250.0, 226.0, 232.0, 14.0);
            s.card(card);
            let hue = s.chance.pick(&hues);
            still(s, rect(card.x + 10.0, card.y + 10.0, card.w - 20.0, 134.0, 10.0), hue);
            s.words(card.x + 16.0, card.y + 162.0, s.chance.between(90.0, 160.0), TEXT, 0.85);
            s.words(card.x + 16.0, card.y + 182.0, s.chance.between(60.0, 120.0), MUTED, 0.75);
            s.canvas.fill(rect(card.x + 16.0, card.y + 204.0, 56.0, 14.0, 5.0), s.palette.accent, 0.95);
            for star in 0..5 {
                s.canvas.disc(
                    (card.x + card.w - 84.0 + star as f32 * 15.0, card.y + 211.0),
                    4.5,
                    if star < 4 { YELLOW } else { EDGE },
                    1.0,
                );
            }
        }
    }
}

/// A picture in a picture: hills under a sun, or simple bodies.
fn still(s: &mut Stage<'_>, frame: Rect, hue: [u8; 3]) {
    s.canvas.fill(frame, mix(SURFACE, hue, 0.42), 1.0);
    let (cx, floor) = (frame.x + frame.w / 2.0, frame.y + frame.h - 18.0);
    match s.chance.below(3) {
        0 => {
            s.canvas.disc((frame.x + frame.w * 0.74, frame.y + frame.h * 0.26), frame.h * 0.13, mix(hue, [255; 3], 0.55), 1.0);
            let peaks = [(0.0, 0.64), (0.22, 0.39), (0.41, 0.63), (0.64, 0.3), (1.0, 0.69)];
            let points: Vec<_> = peaks.iter().map(|(x, y)| (frame.x + x * frame.w, frame.y + y * frame.h)).collect();
            s.canvas.area(&points, frame.y + frame.h, mix(hue, [255; 3], 0.15), 0.8);
        }
        1 => {
            s.canvas.fill(rect(cx - 44.0, floor - 74.0, 88.0, 74.0, 14.0), mix(hue, [255; 3], 0.35), 1.0);
            s.canvas.fill(rect(cx - 44.0, floor - 46.0, 88.0, 14.0, 0.0), mix(hue, SURFACE, 0.3), 1.0);
            s.canvas.fill(rect(cx - 8.0, floor - 74.0, 16.0, 74.0, 0.0), mix(hue, SURFACE, 0.3), 1.0);
        }
        _ => {
            s.canvas.disc((cx - 24.0, floor - 34.0), 34.0, mix(hue, [255; 3], 0.4), 0.9);
            s.canvas.fill(rect(cx - 4.0, floor - 56.0, 56.0, 56.0, 12.0), mix(hue, [255; 3], 0.15), 0.85);
        }
    }
}

/// Rows with names, figures and states.
pub(super) fn table(s: &mut Stage<'_>) {
    let body = s.window(rect(120.0, 100.0, 1040.0, 600.0, 18.0));
    s.words(body.x + 34.0, body.y + 32.0, 150.0, TEXT, 0.9);
    for i in 0..3 {
        let x = body.x + body.w - 150.0 - i as f32 * 132.0;
        s.canvas.fill(rect(x, body.y + 20.0, 118.0, 34.0, 10.0), if i == 0 { s.palette.accent } else { RAISED }, 0.95);
        s.words(x + 24.0, body.y + 32.0, 70.0, if i == 0 { SURFACE } else { MUTED }, 0.85);
    }
    s.canvas.fill(rect(body.x, body.y + 76.0, body.w, 42.0, 0.0), RAISED, 0.6);
    let columns = [34.0, 330.0, 520.0, 690.0, 880.0];
    for x in columns {
        s.words(body.x + x, body.y + 92.0, 76.0, MUTED, 0.8);
    }
    let marked = s.chance.below(7);
    for row in 0..7 {
        let y = body.y + 118.0 + row as f32 * 62.0;
        if row == marked {
            s.canvas.fill(rect(body.x + 1.5, y, body.w - 3.0, 62.0, 0.0), mix(SURFACE, s.palette.accent, 0.16), 1.0);
            s.canvas.fill(rect(body.x + 1.5, y, 4.0, 62.0, 0.0), s.palette.accent, 1.0);
        }
        s.canvas.fill(rect(body.x, y + 61.0, body.w, 1.0, 0.0), EDGE, 0.6);
        s.face(body.x + 52.0, y + 31.0, 17.0);
        s.words(body.x + 82.0, y + 18.0, s.chance.between(90.0, 170.0), TEXT, 0.85);
        s.words(body.x + 82.0, y + 36.0, s.chance.between(70.0, 130.0), MUTED, 0.7);
        s.words(body.x + columns[1], y + 27.0, s.chance.between(60.0, 120.0), MUTED, 0.9);
        let state = s.chance.pick(&[GREEN, GREEN, YELLOW, BLUE, RED]);
        s.badge(body.x + columns[2], y + 19.0, s.chance.between(76.0, 108.0), state);
        s.canvas.fill(rect(body.x + columns[3], y + 27.0, 130.0, 8.0, 4.0), EDGE, 1.0);
        let done = s.chance.between(20.0, 126.0);
        s.canvas.fill(rect(body.x + columns[3], y + 27.0, done, 8.0, 4.0), s.palette.second, 1.0);
        s.canvas.fill(rect(body.x + columns[4], y + 22.0, s.chance.between(60.0, 104.0), 18.0, 6.0), TEXT, 0.85);
    }
}

/// Three screens, the middle one in front.
pub(super) fn phones(s: &mut Stage<'_>) {
    phone(s, rect(250.0, 150.0, 272.0, 560.0, 42.0), 0);
    phone(s, rect(758.0, 150.0, 272.0, 560.0, 42.0), 1);
    phone(s, rect(490.0, 74.0, 300.0, 640.0, 46.0), 2);
}

fn phone(s: &mut Stage<'_>, frame: Rect, screen: usize) {
    s.canvas.shadow(frame, 56.0, 0.6);
    s.canvas.fill(frame, [5, 7, 12], 1.0);
    s.canvas.stroke(frame, 2.5, EDGE, 1.0);
    let glass = frame.inset(11.0);
    s.canvas.fill(glass, SURFACE, 1.0);
    s.canvas.fill(rect(frame.x + frame.w / 2.0 - 42.0, frame.y + 22.0, 84.0, 22.0, 11.0), [5, 7, 12], 1.0);
    let (x, y, w) = (glass.x + 22.0, glass.y + 62.0, glass.w - 44.0);
    match screen {
        0 => agenda(s, x, y, w),
        1 => profile(s, x, y, w),
        _ => home(s, x, y, w),
    }
    s.canvas.fill(rect(frame.x + frame.w / 2.0 - 50.0, frame.y + frame.h - 26.0, 100.0, 5.0, 2.5), TEXT, 0.7);
}

fn home(s: &mut Stage<'_>, x: f32, y: f32, w: f32) {
    s.words(x, y, 110.0, TEXT, 0.95);
    s.words(x, y + 20.0, 76.0, MUTED, 0.8);
    s.face(x + w - 18.0, y + 14.0, 19.0);
    let hero = rect(x, y + 52.0, w, 170.0, 22.0);
    s.canvas.fill(hero, mix(SURFACE, s.palette.accent, 0.82), 1.0);
    s.canvas.disc((x + w - 52.0, hero.y + 52.0), 46.0, s.palette.second, 0.32);
    s.words(x + 22.0, hero.y + 28.0, 96.0, SURFACE, 0.7);
    s.canvas.fill(rect(x + 22.0, hero.y + 50.0, 128.0, 26.0, 9.0), SURFACE, 0.85);
    let points: Vec<_> =
        s.trend(8).iter().enumerate().map(|(i, h)| (x + 22.0 + i as f32 * (w - 44.0) / 7.0, hero.y + 152.0 - h * 56.0)).collect();
    for pair in points.windows(2) {
        s.canvas.line(pair[0], pair[1], 4.0, SURFACE, 0.75);
    }
    for i in 0..3 {
        let tile = rect(x + i as f32 * (w + 10.0) / 3.0, y + 240.0, (w - 20.0) / 3.0, 78.0, 16.0);
        s.card(tile);
        let hue = s.chance.pick(&[GREEN, YELLOW, BLUE, VIOLET, s.palette.second]);
        s.canvas.fill(rect(tile.x + 14.0, tile.y + 14.0, 26.0, 26.0, 9.0), hue, 0.95);
        s.words(tile.x + 14.0, tile.y + 54.0, tile.w - 30.0, MUTED, 0.85);
    }
    for i in 0..3 {
        let row = y + 340.0 + i as f32 * 58.0;
        let hue = s.chance.pick(&[s.palette.accent, s.palette.second, GREEN, BLUE]);
        s.canvas.fill(rect(x, row, 42.0, 42.0, 13.0), mix(SURFACE, hue, 0.5), 1.0);
        s.words(x + 56.0, row + 8.0, s.chance.between(70.0, 110.0), TEXT, 0.85);
        s.words(x + 56.0, row + 25.0, s.chance.between(46.0, 86.0), MUTED, 0.75);
        s.words(x + w - 44.0, row + 16.0, 44.0, TEXT, 0.6);
    }
}

fn agenda(s: &mut Stage<'_>, x: f32, y: f32, w: f32) {
    s.words(x, y, 96.0, TEXT, 0.95);
    for day in 0..5 {
        let cell = rect(x + day as f32 * (w + 8.0) / 5.0, y + 34.0, (w - 32.0) / 5.0, 56.0, 13.0);
        let today = day == 2;
        s.canvas.fill(cell, if today { s.palette.accent } else { RAISED }, 0.95);
        s.words(cell.x + 8.0, cell.y + 14.0, cell.w - 16.0, if today { SURFACE } else { MUTED }, 0.8);
        s.canvas.disc((cell.x + cell.w / 2.0, cell.y + 40.0), 5.0, if today { SURFACE } else { MUTED }, 0.8);
    }
    let mut at = y + 116.0;
    for _ in 0..4 {
        let h = s.chance.pick(&[62.0, 84.0]);
        let hue = s.chance.pick(&[s.palette.accent, s.palette.second, BLUE, GREEN]);
        s.canvas.fill(rect(x, at, w, h, 15.0), mix(SURFACE, hue, 0.24), 1.0);
        s.canvas.fill(rect(x + 12.0, at + 14.0, 4.0, h - 28.0, 2.0), hue, 1.0);
        s.words(x + 28.0, at + 18.0, s.chance.between(80.0, 130.0), TEXT, 0.85);
        s.words(x + 28.0, at + 36.0, s.chance.between(60.0, 100.0), MUTED, 0.8);
        at += h + 14.0;
    }
}

fn profile(s: &mut Stage<'_>, x: f32, y: f32, w: f32) {
    s.face(x + w / 2.0, y + 42.0, 42.0);
    s.words(x + w / 2.0 - 54.0, y + 102.0, 108.0, TEXT, 0.95);
    s.words(x + w / 2.0 - 36.0, y + 122.0, 72.0, MUTED, 0.8);
    s.canvas.fill(rect(x, y + 152.0, w, 42.0, 14.0), s.palette.accent, 0.95);
    s.words(x + w / 2.0 - 34.0, y + 168.0, 68.0, SURFACE, 0.8);
    for row in 0..2 {
        for column in 0..2 {
            let tile = rect(x + column as f32 * (w + 12.0) / 2.0, y + 214.0 + row as f32 * 112.0, (w - 12.0) / 2.0, 98.0, 16.0);
            let hue = s.chance.pick(&[s.palette.second, s.palette.accent, BLUE, VIOLET, YELLOW]);
            still(s, tile, hue);
        }
    }
}
