//! Charts as numbers: stacked bars over time, small lines beside a name, the runs of a job on one line. A template draws them as
//! inline SVG (`parts/chart.html`), so that a page shows them without a script, and lists the same numbers as a table for whoever
//! does not see them.
//!
//! Text in an SVG shrinks with it, so every chart is measured twice: for a desk and for a phone.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use std::collections::BTreeMap;

/// Colours of the style sheet; what comes after them is "other".
const SERIES: usize = 6;

/// Equal stretches of time, side by side.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    pub from: DateTime<Utc>,
    pub step: TimeDelta,
    pub steps: usize,
}

impl Axis {
    /// The stretches of `step` that end with the one `now` falls into.
    pub fn until(now: DateTime<Utc>, step: TimeDelta, steps: usize) -> Self {
        let seconds = step.num_seconds().max(1);
        let last = now.timestamp().div_euclid(seconds) * seconds;
        let first = last - seconds * (i64::try_from(steps).unwrap_or(i64::MAX) - 1);
        Self { from: DateTime::from_timestamp(first, 0).unwrap_or(now), step, steps }
    }

    /// Which stretch `at` falls into.
    pub fn place(&self, at: DateTime<Utc>) -> Option<usize> {
        let seconds = (at - self.from).num_seconds();
        let place = usize::try_from(seconds.div_euclid(self.step.num_seconds().max(1))).ok()?;
        (seconds >= 0 && place < self.steps).then_some(place)
    }

    fn start(&self, place: usize) -> DateTime<Utc> {
        self.from + self.step * i32::try_from(place).unwrap_or(i32::MAX)
    }

    fn label(&self, place: usize) -> String {
        let at = self.start(place);
        let is_long = self.step >= TimeDelta::hours(2);
        if is_long { at.format("%-d %b").to_string() } else { at.format("%H:%M").to_string() }
    }

    fn name(&self, place: usize) -> String {
        let (start, end) = (self.start(place), self.start(place + 1));
        if self.step >= TimeDelta::hours(2) {
            format!("{}–{}", start.format("%-d %b %H:%M"), end.format("%H:%M"))
        } else {
            format!("{}–{}", start.format("%H:%M"), end.format("%H:%M"))
        }
    }
}

/// So many of `series` at `at`.
#[derive(Clone, Debug)]
pub(super) struct Point<'a> {
    pub at: DateTime<Utc>,
    pub series: &'a str,
    pub count: i64,
}

/// Stacked bars over time.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    /// Names the chart within its page.
    id: &'static str,
    title: String,
    legend: Vec<Legend>,
    total: i64,
    /// For a desk, and for a phone.
    drawings: [Drawing; 2],
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Legend {
    name: String,
    /// Which colour, from 1; 0 is "other".
    colour: usize,
    total: i64,
}

/// A line of the table that says the same.
#[derive(Debug, Serialize)]
struct Row {
    when: String,
    counts: Vec<i64>,
    total: i64,
}

#[derive(Debug, Serialize)]
struct Drawing {
    class: &'static str,
    width: f64,
    height: f64,
    /// Where the picture begins and ends, between the numbers and the edge.
    left: f64,
    right: f64,
    base: f64,
    bars: Vec<Bar>,
    lines: Vec<Gridline>,
    labels: Vec<Label>,
    marks: Vec<Mark>,
    columns: Vec<Column>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    colour: usize,
}

#[derive(Debug, Serialize)]
struct Gridline {
    y: f64,
    label: String,
}

#[derive(Debug, Serialize)]
struct Label {
    x: f64,
    anchor: &'static str,
    text: String,
}

/// A release, where its first run was counted.
#[derive(Debug, Serialize)]
struct Mark {
    x: f64,
    anchor: &'static str,
    text_x: f64,
    label: String,
}

/// A whole stretch, for the pointer: what it says is shown by the browser.
#[derive(Debug, Serialize)]
struct Column {
    x: f64,
    width: f64,
    says: String,
}

impl Chart {
    /// Adds up `points` by stretch and series, the largest series first and at the bottom. `releases` are marked.
    pub fn stacked<'a>(
        id: &'static str,
        title: impl Into<String>,
        axis: Axis,
        points: impl IntoIterator<Item = Point<'a>>,
        releases: &[(DateTime<Utc>, String)],
    ) -> Self {
        let mut by_series = BTreeMap::<&str, Vec<i64>>::new();
        for point in points {
            if let Some(place) = axis.place(point.at) {
                by_series.entry(point.series).or_insert_with(|| vec![0; axis.steps])[place] += point.count;
            }
        }
        let mut series: Vec<(String, Vec<i64>)> = by_series.into_iter().map(|(name, counts)| (name.to_owned(), counts)).collect();
        series.sort_by_key(|(_, counts)| -counts.iter().sum::<i64>());
        if series.len() > SERIES {
            let rest = series.split_off(SERIES - 1);
            let other = (0..axis.steps).map(|place| rest.iter().map(|(_, counts)| counts[place]).sum()).collect();
            series.push((format!("{} others", rest.len()), other));
        }

        let legend: Vec<Legend> = series
            .iter()
            .enumerate()
            .map(|(at, (name, counts))| Legend {
                name: name.clone(),
                colour: if at + 1 == SERIES && name.ends_with(" others") { 0 } else { at + 1 },
                total: counts.iter().sum(),
            })
            .collect();
        let stacks: Vec<Vec<i64>> = (0..axis.steps).map(|at| series.iter().map(|(_, counts)| counts[at]).collect()).collect();
        let rows = stacks.iter().enumerate().filter(|(_, counts)| counts.iter().any(|count| *count > 0));
        let rows = rows.map(|(at, counts)| Row { when: axis.name(at), total: counts.iter().sum(), counts: counts.clone() });
        Self {
            id,
            title: title.into(),
            total: legend.iter().map(|series| series.total).sum(),
            rows: rows.collect(),
            drawings: [
                Drawing::of("chart-wide", 760.0, 220.0, 6, axis, &stacks, &legend, releases),
                Drawing::of("chart-narrow", 340.0, 190.0, 3, axis, &stacks, &legend, releases),
            ],
            legend,
        }
    }
}

impl Drawing {
    #[expect(clippy::too_many_arguments, reason = "the measures of a drawing, told once for each of the two")]
    fn of(
        class: &'static str,
        width: f64,
        height: f64,
        labels: usize,
        axis: Axis,
        stacks: &[Vec<i64>],
        legend: &[Legend],
        releases: &[(DateTime<Utc>, String)],
    ) -> Self {
        let (left, right, top, base) = (40.0, width - 4.0, 20.0, height - 22.0);
        let most = stacks.iter().map(|counts| counts.iter().sum::<i64>()).max().unwrap_or(0);
        let (ceiling, lines) = gridlines(most);
        let up = |count: f64| base - (base - top) * count / ceiling;
        let column = (right - left) / number(stacks.len().max(1));
        let gap = (column * 0.18).min(3.0);

        let (mut bars, mut columns) = (Vec::new(), Vec::new());
        for (at, counts) in stacks.iter().enumerate() {
            let x = left + column * number(at);
            let mut below = 0;
            for (count, series) in counts.iter().zip(legend).filter(|(count, _)| **count > 0) {
                let (bottom, y) = (up(whole(below)), up(whole(below + count)));
                bars.push(Bar {
                    x: tenth(x + gap / 2.0),
                    y: tenth(y),
                    width: tenth(column - gap),
                    // What is there can be seen, however little it is beside the rest.
                    height: tenth((bottom - y).max(1.0)),
                    colour: series.colour,
                });
                below += count;
            }
            let parts = counts.iter().zip(legend).filter(|(count, _)| **count > 0);
            let parts: Vec<String> = parts.map(|(count, series)| format!("{count} {}", series.name)).collect();
            let says = if parts.is_empty() { "none".to_owned() } else { parts.join(", ") };
            columns.push(Column { x: tenth(x), width: tenth(column), says: format!("{}: {says}", axis.name(at)) });
        }

        let every = stacks.len().div_ceil(labels).max(1);
        let labels = (0..stacks.len()).step_by(every).map(|at| Label {
            x: tenth(left + column * number(at)),
            anchor: if at == 0 { "start" } else { "middle" },
            text: axis.label(at),
        });
        let marks = releases.iter().filter_map(|(at, release)| {
            let x = left + column * number(axis.place(*at)?);
            let is_late = x > left + (right - left) * 0.7;
            let (anchor, text_x) = if is_late { ("end", x - 5.0) } else { ("start", x + 5.0) };
            Some(Mark { x: tenth(x), anchor, text_x: tenth(text_x), label: release.clone() })
        });
        let lines = lines.into_iter().map(|value| Gridline { y: tenth(up(value)), label: short(value) }).collect();
        Self { class, width, height, left, right, base, bars, lines, labels: labels.collect(), marks: marks.collect(), columns }
    }
}

/// A round number above `most`, and the lines up to it: 0, 4, 8 for 7.
fn gridlines(most: i64) -> (f64, Vec<f64>) {
    let most = whole(most.max(1));
    let power = 10_f64.powf(most.log10().floor());
    // Below ten, halves of what is counted by ones would be no numbers of jobs.
    let steps: &[f64] =
        if power < 10.0 { &[1.0, 2.0, 4.0, 6.0, 8.0, 10.0] } else { &[1.0, 1.2, 1.6, 2.0, 2.4, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0] };
    let ceiling = steps.iter().map(|step| step * power).find(|ceiling| *ceiling >= most).unwrap_or(most);
    let lines = if ceiling >= 2.0 { vec![0.0, ceiling / 2.0, ceiling] } else { vec![0.0, ceiling] };
    (ceiling, lines)
}

/// `1200` as `1.2k`, so that it fits beside the line.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e3 => (v / 1e3, "k"),
        v => (v, ""),
    };
    format!("{}{unit}", tenth(value))
}

/// A small line of how a number went, without an axis.
#[derive(Debug, Serialize)]
pub(super) struct Spark {
    line: String,
    area: String,
    says: String,
}

impl Spark {
    const WIDTH: f64 = 96.0;
    const HEIGHT: f64 = 28.0;

    /// `counts` from left to right; `says` is read out.
    pub fn of(counts: &[i64], says: impl Into<String>) -> Self {
        let most = whole(counts.iter().copied().max().unwrap_or(0).max(1));
        let step = Self::WIDTH / number(counts.len().saturating_sub(1).max(1));
        let (low, high) = (Self::HEIGHT - 2.0, Self::HEIGHT - 4.0);
        let place =
            |(at, count): (usize, &i64)| format!("{} {}", tenth(step * number(at)), tenth(low - high * whole(*count) / most));
        let points: Vec<String> = counts.iter().enumerate().map(place).collect();
        let line = format!("M{}", points.join("L"));
        Self { area: format!("{line}L{} {low}L0 {low}Z", Self::WIDTH), line, says: says.into() }
    }
}

/// What became of a job between its enqueueing and now, or its end, on one line.
#[derive(Debug, Serialize)]
pub(super) struct Track {
    spans: Vec<Span>,
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
}

/// A piece of the line.
#[derive(Debug, Serialize)]
struct Span {
    x: f64,
    width: f64,
    class: &'static str,
    says: String,
}

/// A stretch in which one thing was the case.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub class: &'static str,
    pub says: String,
}

impl Track {
    /// As wide as the template's picture is.
    const WIDTH: f64 = 1_000.0;
    /// A run of milliseconds among hours is still to be seen.
    const LEAST: f64 = 6.0;

    /// The stretches of a job's life in order, in proportion as far as they can be seen. None when there is nothing to draw.
    pub fn of(stretches: Vec<Stretch>) -> Option<Self> {
        let (from, until) = (stretches.first()?.from, stretches.last()?.until);
        let millis = |from: DateTime<Utc>, until: DateTime<Utc>| whole((until - from).num_milliseconds().max(0));
        let all = millis(from, until).max(1.0);
        let room = Self::WIDTH - Self::LEAST * number(stretches.len());
        let mut x = 0.0;
        let spans = stretches.into_iter().map(|stretch| {
            let width = Self::LEAST + room * millis(stretch.from, stretch.until) / all;
            let span = Span { x: tenth(x), width: tenth(width), class: stretch.class, says: stretch.says };
            x += width;
            span
        });
        Some(Self { spans: spans.collect(), from, until })
    }
}

/// As the picture needs it: a tenth of a pixel is enough.
pub(super) fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[expect(clippy::cast_precision_loss, reason = "counts of a chart, far below 2^52")]
fn whole(count: i64) -> f64 {
    count as f64
}

pub(super) fn number(count: usize) -> f64 {
    whole(i64::try_from(count).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        format!("2026-03-01T12:{minute:02}:30Z").parse().expect("a time")
    }

    #[test]
    fn points_are_added_up_by_stretch_and_series() {
        let axis = Axis::until(at(9), TimeDelta::minutes(1), 10);
        let points = [(3, "mail", 2), (3, "mail", 1), (3, "orders", 7), (8, "mail", 1)];
        let points = points.map(|(minute, series, count)| Point { at: at(minute), series, count });
        let chart = Chart::stacked("x", "Runs", axis, points, &[(at(5), "1.2.0".into())]);
        assert_eq!(chart.total, 11);
        assert_eq!(chart.legend.iter().map(|l| (l.name.as_str(), l.total)).collect::<Vec<_>>(), [("orders", 7), ("mail", 4)]);
        assert_eq!(chart.rows.len(), 2, "empty stretches are not in the table");
        assert_eq!((chart.rows[0].when.as_str(), &chart.rows[0].counts[..]), ("12:03–12:04", &[7, 3][..]));
        let wide = &chart.drawings[0];
        assert_eq!((wide.bars.len(), wide.columns.len(), wide.marks.len()), (3, 10, 1));
        assert!(wide.bars.iter().all(|bar| bar.y >= 20.0 && bar.y + bar.height <= wide.base + 0.2), "{:?}", wide.bars);
    }

    #[test]
    fn points_outside_are_left_out_and_many_series_share_a_colour() {
        let axis = Axis::until(at(9), TimeDelta::minutes(1), 5);
        let names: Vec<String> = (0..9).map(|n| format!("kind-{n}")).collect();
        let points = names.iter().map(|name| Point { at: at(7), series: name, count: 1 });
        let old = Point { at: at(1), series: "old", count: 99 };
        let chart = Chart::stacked("x", "Runs", axis, points.chain([old]), &[]);
        assert_eq!((chart.total, chart.legend.len()), (9, SERIES));
        assert_eq!(chart.legend.last().map(|last| (last.name.as_str(), last.colour)), Some(("4 others", 0)));
    }

    #[test]
    fn lines_are_round_numbers_above_the_highest_bar() {
        for (most, ceiling) in [(0, 1.0), (1, 1.0), (3, 4.0), (7, 8.0), (42, 50.0), (110, 120.0), (999, 1_000.0)] {
            assert_eq!(gridlines(most).0, ceiling, "{most}");
        }
        assert_eq!(short(1_500.0), "1.5k");
    }

    #[test]
    fn a_short_run_among_hours_can_be_seen() {
        let stretch = |from, until, class| Stretch { from, until, class, says: String::new() };
        let track = Track::of(vec![stretch(at(0), at(50), "wait"), stretch(at(50), at(50), "run")]).expect("a line");
        assert!(track.spans[1].width >= Track::LEAST);
        assert!((track.spans.iter().map(|span| span.width).sum::<f64>() - Track::WIDTH).abs() < 1.0);
        assert!(Track::of(vec![]).is_none());
    }
}
