//! What a run found: tables, ratios and the bars they are held to, as text that is Markdown too.

use crate::figures::thousands;
use std::fmt::Write;

/// Everything a run found.
#[derive(Default)]
pub struct Report {
    /// What it was measured on: the machine, the server, the date, the command.
    pub about: Vec<(String, String)>,
    pub tables: Vec<Table>,
    pub ratios: Vec<Ratio>,
    /// Who was not measured, and why.
    pub missing: Vec<String>,
}

pub struct Table {
    pub title: &'static str,
    /// How to read it.
    pub note: String,
    pub head: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// A figure of ours set against another's, or against a bar, so that more is better.
pub struct Ratio {
    pub name: String,
    pub value: f64,
    /// What it should reach, when anything.
    pub bar: Option<f64>,
    /// The figures behind it.
    pub because: String,
}

impl Table {
    pub fn new(title: &'static str, note: impl Into<String>, head: &[&str]) -> Self {
        Self { title, note: note.into(), head: head.iter().map(|&cell| cell.to_owned()).collect(), rows: Vec::new() }
    }

    fn write(&self, out: &mut String) {
        let width = |column: usize| {
            let cells = std::iter::once(&self.head).chain(&self.rows).filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let line = |row: &[String]| {
            let cells = row
                .iter()
                .zip(&widths)
                .enumerate()
                .map(|(at, (cell, &width))| if at == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") });
            format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let _ = writeln!(out, "\n## {}\n\n{}\n", self.title, self.note);
        out.push_str(&line(&self.head));
        let rule: Vec<String> = widths
            .iter()
            .enumerate()
            .map(|(at, &width)| if at == 0 { "-".repeat(width) } else { "-".repeat(width - 1) + ":" })
            .collect();
        out.push_str(&line(&rule));
        for row in &self.rows {
            out.push_str(&line(row));
        }
    }
}

impl Report {
    /// Ours against another's rate: more is better.
    pub fn rate(&mut self, name: String, ours: f64, theirs: f64, bar: Option<f64>) {
        let because = format!("{} ÷ {} jobs/s", thousands(ours), thousands(theirs));
        self.ratio(name, ours / theirs, bar, because);
    }

    /// Another's time against ours: more is better.
    pub fn time(&mut self, name: String, ours: f64, theirs: f64, bar: Option<f64>) {
        self.ratio(name, theirs / ours, bar, format!("{theirs:.2} ÷ {ours:.2} ms"));
    }

    pub fn ratio(&mut self, name: String, value: f64, bar: Option<f64>, because: String) {
        if value.is_finite() {
            self.ratios.push(Ratio { name, value, bar, because });
        } else {
            self.missing.push(format!("{name}: not enough was measured ({because})"));
        }
    }

    /// The whole, to be read; its last lines are one per ratio, to be parsed.
    pub fn text(&self) -> String {
        let mut out = String::from("# Benchmarks of the queue\n\n");
        for (what, value) in &self.about {
            let _ = writeln!(out, "- {what}: {value}");
        }
        for missing in &self.missing {
            let _ = writeln!(out, "- not here: {missing}");
        }
        for table in &self.tables {
            table.write(&mut out);
        }
        self.bars().write(&mut out);
        out.push_str("\n```\n");
        for ratio in &self.ratios {
            let _ = writeln!(out, "ratio {} {:.3}", ratio.name, ratio.value);
        }
        out
    }

    fn bars(&self) -> Table {
        let note = "A ratio is ours against another, turned so that more is better; 1 is as good. Where a bar is set, so is whether it \
                    is met.";
        let mut table = Table::new("Ratios and bars", note, &["ratio", "value", "bar", "met", "from"]);
        for ratio in &self.ratios {
            let bar = ratio.bar.map_or_else(String::new, |bar| format!("≥ {bar:.1}"));
            let met = ratio.bar.map_or("", |bar| if ratio.value >= bar { "yes" } else { "no" });
            let row = [ratio.name.clone(), format!("{:.2}", ratio.value), bar, met.to_owned(), ratio.because.clone()];
            table.rows.push(row.to_vec());
        }
        table
    }
}
