//! Columns for eyes: as wide as what stands in them, numbers to the right, the last column as long as it likes.

use std::fmt::{self, Write};

/// A table being filled.
pub struct Table<const N: usize> {
    heads: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub fn new(heads: [&'static str; N]) -> Self {
        Self { heads, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: [String; N]) {
        // One line a row, whatever an error message brings along.
        self.rows.push(cells.map(|cell| cell.replace(|c: char| c.is_control(), " ")));
    }

    /// Prints it, or one sentence when nothing is in it.
    pub fn print(&self, when_empty: &str) {
        if self.rows.is_empty() { println!("{when_empty}") } else { print!("{self}") }
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.heads[column].chars().count()]).max().unwrap_or_default()
        };
        let widths: [usize; N] = std::array::from_fn(width);
        let number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || "+/.-".contains(c));
        let is_number: [bool; N] = std::array::from_fn(|column| self.rows.iter().all(|row| number(&row[column])));
        let mut line = |cells: &[&str]| {
            let mut text = String::new();
            for (column, cell) in cells.iter().enumerate() {
                let gap = if column == 0 { "" } else { "  " };
                let width = widths[column];
                if is_number[column] { write!(text, "{gap}{cell:>width$}")? } else { write!(text, "{gap}{cell:<width$}")? }
            }
            writeln!(f, "{}", text.trim_end())
        };
        line(&self.heads)?;
        self.rows.iter().try_for_each(|row| line(&row.each_ref().map(String::as_str)))
    }
}

/// `1 job`, `2 jobs`
pub fn counted(number: impl Into<i64>, what: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_rows_are_lines() {
        let mut table = Table::new(["id", "kind", "error"]);
        table.row(["7".into(), "orders.fulfil".into(), String::new()]);
        table.row(["1024".into(), "mail".into(), "two\nlines".into()]);
        assert_eq!(table.to_string(), "  id  kind           error\n   7  orders.fulfil\n1024  mail           two lines\n");
    }
}
