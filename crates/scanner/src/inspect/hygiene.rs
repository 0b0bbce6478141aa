//! What should not have been packed: other archives, programs, installed dependencies, local settings, version control.
//!
//! An archive inside the archive is for review and is not opened: opening it would double every bound there is, and an
//! honest project ships sources. Known formats that merely use zip (documents, fonts' containers) pass as what they are.

use crate::{Finding, Severity, finding::Findings};

/// Whether the file is somebody else's code, copied in by a package manager.
pub(crate) fn is_vendored(path: &str) -> bool {
    path.split('/').any(|part| {
        matches!(part, "node_modules" | "bower_components" | "site-packages" | ".venv" | "venv" | "Pods" | "__pycache__" | ".git")
    }) || path.starts_with("vendor/")
        || path.contains("/vendor/bundle/")
        || path.contains("/vendor/composer/")
}

/// Whether the file is litter of an operating system.
pub(super) fn is_junk(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("__MACOSX/") || name.starts_with("._") || matches!(name, ".DS_Store" | "Thumbs.db" | "desktop.ini")
}

/// Judges a file by its path and its first bytes.
pub(super) fn look(path: &str, head: &[u8], findings: &mut Findings) {
    if let Some((severity, rule, title, remedy)) = by_content(path, head).or_else(|| by_path(path)) {
        findings.push(Finding {
            severity,
            rule: rule.to_owned(),
            title,
            path: Some(path.to_owned()),
            line: None,
            excerpt: None,
            remedy: remedy.to_owned(),
        });
    }
}

type Fault = (Severity, &'static str, String, &'static str);

fn by_content(path: &str, head: &[u8]) -> Option<Fault> {
    if let Some(kind) = archive_kind(head)
        && !is_container(path)
    {
        return Some((
            Severity::Review,
            "package.nested-archive",
            format!("{kind} inside the package; its content was not checked."),
            "Pack the files themselves instead of an archive of them.",
        ));
    }
    program_kind(head).map(|kind| {
        (
            Severity::Review,
            "package.program",
            format!("{kind}, which nobody can read."),
            "Ship sources and say how to build them; leave compiled programs out.",
        )
    })
}

fn by_path(path: &str) -> Option<Fault> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let template = ["example", "sample", "template", "dist", "defaults", "test", "schema"];
    if path.split('/').any(|part| part == ".git") {
        return Some((
            Severity::Review,
            "package.git-folder",
            "The whole history of the project is packed (.git).".to_owned(),
            "Leave .git out: it may hold secrets you deleted long ago. `git archive` packs only the files.",
        ));
    }
    if (name == ".env" || name.starts_with(".env.")) && !template.iter().any(|word| name.ends_with(word)) {
        return Some((
            Severity::Review,
            "package.env-file",
            "A file of local settings is packed; such files usually hold secrets.".to_owned(),
            "Leave it out and pack an .env.example with the names and no values.",
        ));
    }
    if is_vendored(path) {
        return Some((
            Severity::Info,
            "package.vendored",
            "Installed dependencies are packed.".to_owned(),
            "Leave them out; a lock file lets buyers install the same versions.",
        ));
    }
    is_junk(path).then(|| {
        (
            Severity::Info,
            "package.junk",
            "Litter of an operating system is packed.".to_owned(),
            "Leave .DS_Store, __MACOSX and Thumbs.db out.",
        )
    })
}

fn archive_kind(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [b'P', b'K', 3, 4, ..] => "A zip archive",
        [0x1f, 0x8b, 8, ..] => "A gzip archive",
        [b'R', b'a', b'r', b'!', ..] => "A RAR archive",
        [b'7', b'z', 0xbc, 0xaf, ..] => "A 7z archive",
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "An xz archive",
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => "A bzip2 archive",
        [0x28, 0xb5, 0x2f, 0xfd, ..] => "A zstd archive",
        bytes if bytes.get(257..262) == Some(b"ustar") => "A tar archive",
        _ => return None,
    })
}

/// Documents and design files that are zip archives by construction.
fn is_container(path: &str) -> bool {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    matches!(extension.as_str(), "docx" | "xlsx" | "pptx" | "odt" | "ods" | "odp" | "epub" | "sketch" | "fig" | "svgz")
}

fn program_kind(head: &[u8]) -> Option<&'static str> {
    Some(match head {
        [0x7f, b'E', b'L', b'F', ..] => "A compiled Linux program",
        [b'M', b'Z', ..] if head.len() >= 64 && head.contains(&0) => "A compiled Windows program",
        [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => "A compiled macOS program",
        [0xca, 0xfe, 0xba, 0xbe, ..] => "A compiled Java class or macOS program",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(path: &str, head: &[u8]) -> Option<String> {
        let mut findings = Findings::default();
        look(path, head, &mut findings);
        findings.finish().pop().map(|finding| finding.rule)
    }

    #[test]
    fn what_does_not_belong_is_named() {
        assert_eq!(rule("assets/all.zip", b"PK\x03\x04").as_deref(), Some("package.nested-archive"));
        assert_eq!(rule("lib/tool", b"\x7fELF\x02").as_deref(), Some("package.program"));
        assert_eq!(rule("app/.git/config", b"[core]").as_deref(), Some("package.git-folder"));
        assert_eq!(rule(".env.local", b"A=1").as_deref(), Some("package.env-file"));
        assert_eq!(rule("node_modules/x/index.js", b"").as_deref(), Some("package.vendored"));
        assert_eq!(rule("src/.DS_Store", b"\0").as_deref(), Some("package.junk"));
    }

    #[test]
    fn what_belongs_passes() {
        for (path, head) in
            [(".env.example", &b"A="[..]), ("docs/spec.docx", b"PK\x03\x04"), ("MZ.txt", b"MZ is a prefix"), ("a.gz.ts", b"x")]
        {
            assert_eq!(rule(path, head), None, "{path}");
        }
    }
}
