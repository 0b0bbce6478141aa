//! Text as it is kept: without blanks around it, with one kind of line end, and without the one character that Postgres
//! does not store and nobody types.

/// The text, cleaned.
pub(super) fn clean(typed: &str) -> String {
    let text = typed.trim().replace("\r\n", "\n");
    if text.contains('\0') { text.replace('\0', "") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_stored_is_left_out() {
        assert_eq!(clean("  a\r\nb\0c \n"), "a\nbc");
    }
}
