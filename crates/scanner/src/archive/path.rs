//! What a path in a package may be: relative, inside, shallow, and a name that Linux, macOS and Windows all can create.

use crate::{Limits, Refusal};

/// Names that Windows keeps for devices, whatever follows the first dot.
const DEVICES: [&str; 22] = [
    "con", "prn", "aux", "nul", "com1", "com2", "com3", "com4", "com5", "com6", "com7", "com8", "com9", "lpt1", "lpt2", "lpt3",
    "lpt4", "lpt5", "lpt6", "lpt7", "lpt8", "lpt9",
];

/// The path with `/` between its parts and without `.` ones; empty for the root folder itself.
pub(crate) fn normalise(raw: &str, limits: &Limits) -> Result<String, Refusal> {
    let shown = || display(raw);
    if raw.len() > 1_024 {
        return Err(Refusal::ReservedName { path: shown(), reason: "the path is longer than 1,024 bytes" });
    }
    if raw.starts_with(['/', '\\']) || has_drive(raw) {
        return Err(Refusal::AbsolutePath { path: shown() });
    }
    let parts: Vec<&str> = raw.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Refusal::Traversal { path: shown() });
    }
    if parts.len() > limits.max_depth {
        return Err(Refusal::TooDeep { path: shown(), limit: limits.max_depth });
    }
    if let Some(reason) = parts.iter().find_map(|part| fault(part)) {
        return Err(Refusal::ReservedName { path: shown(), reason });
    }
    Ok(parts.join("/"))
}

/// What keeps a name from being created somewhere.
fn fault(name: &str) -> Option<&'static str> {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_lowercase();
    if name.len() > 255 {
        Some("a name in it is longer than 255 bytes")
    } else if name.chars().any(char::is_control) {
        Some("it contains a control character")
    } else if name.contains(['<', '>', ':', '"', '|', '?', '*']) {
        Some("Windows forbids one of its characters")
    } else if name.ends_with([' ', '.']) {
        Some("it ends in a space or dot")
    } else if DEVICES.contains(&stem.as_str()) {
        Some("Windows reserves this name")
    } else {
        None
    }
}

/// `C:…`, which Windows takes for a place on a drive.
fn has_drive(raw: &str) -> bool {
    matches!(raw.as_bytes(), [letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// A hostile name, fit to be shown.
pub(crate) fn display(raw: &str) -> String {
    let mut shown: String = raw.chars().take(200).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if raw.chars().nth(200).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(raw: &str) -> Result<String, &'static str> {
        normalise(raw, &Limits::default()).map_err(|refusal| refusal.rule())
    }

    #[test]
    fn ordinary_paths_pass() {
        assert_eq!(check("./src//main.rs").as_deref(), Ok("src/main.rs"));
        assert_eq!(check("src\\windows\\made.cs").as_deref(), Ok("src/windows/made.cs"));
        assert_eq!(check("app/[...slug]/(group)/page.tsx").as_deref(), Ok("app/[...slug]/(group)/page.tsx"));
        assert_eq!(check("./").as_deref(), Ok(""));
        assert_eq!(check("…/ünï côde.md").as_deref(), Ok("…/ünï côde.md"));
    }

    #[test]
    fn what_leaves_the_folder_is_refused() {
        for raw in ["../x", "a/../../x", "a/..", "a\\..\\x", ".."] {
            assert_eq!(check(raw), Err("archive.traversal"), "{raw}");
        }
        for raw in ["/etc/passwd", "\\\\server\\share", "C:\\x", "c:x"] {
            assert_eq!(check(raw), Err("archive.absolute-path"), "{raw}");
        }
    }

    #[test]
    fn names_that_some_system_cannot_create_are_refused() {
        for raw in ["a/CON", "nul.txt", "Com1.tar.gz", "x/aux .c", "ab:c", "what?", "dot.", "space ", "a\0b", "line\nbreak"] {
            assert_eq!(check(raw), Err("archive.reserved-name"), "{raw:?}");
        }
        assert_eq!(check("console.ts").as_deref(), Ok("console.ts"));
        assert_eq!(check(&"d/".repeat(33)), Err("archive.depth"));
    }

    proptest! {
        #[test]
        fn whatever_passes_stays_inside(raw in "\\PC{0,60}") {
            if let Ok(path) = check(&raw) {
                prop_assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."));
                prop_assert_eq!(check(&path), Ok(path.clone()));
            }
        }
    }
}
