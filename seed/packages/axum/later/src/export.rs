//! {{ Entities_words }} as CSV.

use crate::{{ entity }}::{{ Entity }};

/// One line, ready for a spreadsheet that must not run what somebody typed.
pub fn line(row: &{{ Entity }}) -> String {
    let values = [{% for f in fields %}row.{{ f.name }}.to_string(){{ ", " if not loop.last }}{% endfor %}];
    let cells: Vec<String> = values.iter().map(|value| format!("\"{}\"", defused(value).replace('"', "\"\""))).collect();
    cells.join(",")
}

fn defused(value: &str) -> String {
    if value.starts_with(['=', '+', '@']) { format!("'{value}") } else { value.to_owned() }
}
