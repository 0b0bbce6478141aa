//! README and licence: where a buyer looks first. Both belong at the top of the package, or at the top of the one folder
//! that holds it.

use crate::{Finding, Language, Severity, finding::Findings};
use serde::Serialize;

/// A licence text in the package.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LicenceFile {
    pub path: String,
    /// SPDX identifier, when the text is one of the common ones.
    pub spdx: Option<&'static str>,
}

/// What was read of them.
#[derive(Default)]
pub(super) struct Documents {
    /// Path and number of letters and digits.
    readmes: Vec<(String, usize)>,
    licences: Vec<LicenceFile>,
}

/// A README shorter than this tells nobody how to start.
const MIN_README: usize = 40;

/// Whether the name is that of a README or a licence.
pub(super) fn is_document(path: &str) -> bool {
    Language::of(path).is_none_or(|language| language == Language::Html) && (is_readme(path) || is_licence(path))
}

impl Documents {
    pub fn take(&mut self, path: &str, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        if is_readme(path) {
            self.readmes.push((path.to_owned(), text.chars().filter(|c| c.is_alphanumeric()).count()));
        } else {
            self.licences.push(LicenceFile { path: path.to_owned(), spdx: identify(&text) });
        }
    }

    /// The README and licence at the root, and findings for what is missing.
    pub fn judge(self, root: &str, findings: &mut Findings) -> (Option<String>, Option<LicenceFile>) {
        let at_root =
            |path: &str| path.strip_prefix(root).is_some_and(|rest| !rest.contains('/') || rest.starts_with("LICENSES/"));
        let mut finding = |severity, rule: &str, title: &str, path: Option<&str>, remedy: &str| {
            findings.push(Finding {
                severity,
                rule: rule.to_owned(),
                title: title.to_owned(),
                path: path.map(str::to_owned),
                line: None,
                excerpt: None,
                remedy: remedy.to_owned(),
            });
        };
        let readme = self.readmes.iter().find(|(path, _)| at_root(path));
        match readme {
            None => finding(
                Severity::Blocker,
                "package.readme-missing",
                "There is no README at the top of the package.",
                None,
                "Add a README.md that says what this is, how to install it and how to run it.",
            ),
            Some((path, letters)) if *letters < MIN_README => finding(
                Severity::Review,
                "package.readme-short",
                "The README hardly says anything.",
                Some(path),
                "Say what this is, what it needs, how to install it and how to run it.",
            ),
            Some(_) => {}
        }
        let licence = self.licences.into_iter().find(|licence| at_root(&licence.path));
        if licence.is_none() {
            finding(
                Severity::Review,
                "package.licence-missing",
                "There is no licence file at the top of the package.",
                None,
                "Add a LICENSE file; the licence a buyer chooses here can be named in it.",
            );
        }
        (readme.map(|(path, _)| path.clone()), licence)
    }
}

fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    match name.rsplit_once('.') {
        Some((stem, "md" | "markdown" | "mdx" | "txt" | "rst" | "adoc" | "org" | "html")) => stem.to_owned(),
        _ => name,
    }
}

fn is_readme(path: &str) -> bool {
    stem(path) == "readme"
}

fn is_licence(path: &str) -> bool {
    let stem = stem(path);
    ["license", "licence", "copying", "unlicense", "eula"]
        .iter()
        .any(|name| stem == *name || stem.strip_prefix(name).is_some_and(|rest| rest.starts_with(['-', '.', '_'])))
        || path.contains("LICENSES/")
}

/// Recognises common licence texts by phrases that only they have.
fn identify(text: &str) -> Option<&'static str> {
    let words = text.split_whitespace().take(2_000).collect::<Vec<_>>().join(" ").to_lowercase();
    let has = |phrase: &str| words.contains(phrase);
    Some(match () {
        () if has("apache license") && has("version 2.0") => "Apache-2.0",
        () if has("gnu affero general public license") => "AGPL-3.0-only",
        () if has("gnu lesser general public license") => "LGPL-3.0-only",
        () if has("gnu general public license") && has("version 3") => "GPL-3.0-only",
        () if has("gnu general public license") => "GPL-2.0-only",
        () if has("mozilla public license") => "MPL-2.0",
        () if has("permission to use, copy, modify, and/or distribute this software") => "ISC",
        () if has("neither the name of") && has("redistribution and use in source and binary forms") => "BSD-3-Clause",
        () if has("redistribution and use in source and binary forms") => "BSD-2-Clause",
        () if has("this is free and unencumbered software released into the public domain") => "Unlicense",
        () if has("permission is hereby granted, free of charge") => "MIT",
        () => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognised_in_any_dress() {
        for name in ["README", "readme.md", "docs/ReadMe.rst"] {
            assert!(is_readme(name), "{name}");
        }
        for name in ["LICENSE", "licence.txt", "LICENSE-MIT", "COPYING", "LICENSES/MIT.txt"] {
            assert!(is_licence(name), "{name}");
        }
        assert!(!is_document("src/license_check.py") && !is_document("readme_generator.ts"));
    }

    #[test]
    fn common_licences_are_identified() {
        assert_eq!(identify("MIT License\n\nPermission is hereby granted, free of\ncharge, to any person"), Some("MIT"));
        assert_eq!(identify("Apache License\nVersion 2.0, January 2004"), Some("Apache-2.0"));
        assert_eq!(identify("All rights reserved."), None);
    }
}
