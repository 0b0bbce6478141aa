//! What a package is (SCAN-01): its languages and stack, the documents a buyer looks for first, what it depends on, and what
//! should not have been packed.
//!
//! One reading of the archive; of a file only its head is held, of a manifest at most [`MAX_DOCUMENT`] bytes. A missing
//! README blocks the version, since a buyer who cannot start has bought nothing; a missing licence or manifest is for a
//! person to judge, since a snippet may need neither.

mod documents;
mod hygiene;
mod language;
mod stack;

pub use documents::LicenceFile;
pub(crate) use hygiene::is_vendored;
pub use language::Language;

use crate::{
    Finding, Format, Refusal, Severity,
    archive::{Content, FileEntry, Visitor, Walked},
    finding::Findings,
    manifest::{self, Bill},
};
use documents::Documents;
use serde::Serialize;
use std::collections::BTreeMap;

/// Most that is held of a file whose text matters: a manifest, a README, a licence.
pub(crate) const MAX_DOCUMENT: usize = 8 << 20;
/// What is held of every other file.
const HEAD: usize = 512;

/// Everything one reading tells about a package.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection {
    pub format: Format,
    pub files: Vec<FileEntry>,
    pub unpacked_bytes: u64,
    /// Bytes by language, most first; vendored code does not count.
    pub languages: Vec<(Language, u64)>,
    /// Languages, frameworks and services by their usual names, as a list page shows them.
    pub stack: Vec<String>,
    /// Path of the README.
    pub readme: Option<String>,
    pub licence: Option<LicenceFile>,
    /// Paths of manifests and lock files.
    pub manifests: Vec<String>,
    /// CycloneDX 1.6.
    pub bill_of_materials: serde_json::Value,
    /// Gravest first.
    pub findings: Vec<Finding>,
}

/// Gathers while the archive is walked.
#[derive(Default)]
pub(crate) struct Inspector {
    languages: BTreeMap<Language, u64>,
    documents: Documents,
    bill: Bill,
    findings: Findings,
}

impl Visitor for Inspector {
    fn file(&mut self, path: &str, content: &mut Content<'_>) -> Result<(), Refusal> {
        let mut head = Vec::new();
        content.fill(&mut head, HEAD)?;
        hygiene::look(path, &head, &mut self.findings);
        if hygiene::is_vendored(path) || hygiene::is_junk(path) {
            return Ok(());
        }
        if documents::is_document(path) {
            content.fill(&mut head, MAX_DOCUMENT)?;
            self.documents.take(path, &head);
        } else if let Some(kind) = manifest::kind_of(path) {
            let more = content.fill(&mut head, MAX_DOCUMENT)?;
            self.read_manifest(path, kind, &head, more);
        }
        if let Some(language) = Language::of(path) {
            std::io::copy(content, &mut std::io::sink()).map_err(Refusal::from_io)?;
            *self.languages.entry(language).or_default() += content.produced();
        }
        Ok(())
    }
}

impl Inspector {
    /// Draws the conclusions once all files were seen.
    pub fn finish(mut self, walked: Walked) -> Inspection {
        let root = root_of(&walked.files);
        let (readme, licence) = self.documents.judge(&root, &mut self.findings);
        let manifests = self.bill.manifests();
        if manifests.is_empty() {
            self.findings.push(Finding {
                severity: Severity::Review,
                rule: "package.manifest-missing".to_owned(),
                title: "No manifest was found, so its dependencies are unknown.".to_owned(),
                path: None,
                line: None,
                excerpt: None,
                remedy: "Add the manifest of your ecosystem: package.json, pyproject.toml, Cargo.toml, go.mod or its like."
                    .to_owned(),
            });
        }
        let mut languages: Vec<_> = self.languages.into_iter().collect();
        languages.sort_by_key(|(language, bytes)| (std::cmp::Reverse(*bytes), *language));
        Inspection {
            format: walked.format,
            stack: stack::of(&languages, &self.bill, &walked.files),
            files: walked.files,
            unpacked_bytes: walked.unpacked_bytes,
            languages,
            readme,
            licence,
            manifests,
            bill_of_materials: self.bill.cyclone_dx(root.trim_end_matches('/')),
            findings: self.findings.finish(),
        }
    }

    fn read_manifest(&mut self, path: &str, kind: manifest::Kind, text: &[u8], more: bool) {
        let parsed = if more && text.len() >= MAX_DOCUMENT {
            Err("it is larger than 8 MB".to_owned())
        } else {
            std::str::from_utf8(text).map_err(|_| "it is not UTF-8 text".to_owned()).and_then(|text| manifest::read(kind, text))
        };
        let found = match parsed {
            Ok(found) => found,
            Err(reason) => {
                self.findings.push(Finding {
                    severity: Severity::Review,
                    rule: "package.manifest-unreadable".to_owned(),
                    title: format!("This manifest could not be read: {reason}."),
                    path: Some(path.to_owned()),
                    line: None,
                    excerpt: None,
                    remedy: "Check that the file is complete; its own package manager should accept it.".to_owned(),
                });
                manifest::Found::default()
            }
        };
        self.bill.add(path, found);
    }
}

/// The single folder that holds everything, as `name/`, or nothing when the files lie at the top.
fn root_of(files: &[FileEntry]) -> String {
    let mut kept = files.iter().map(|f| f.path.as_str()).filter(|path| !hygiene::is_junk(path));
    let Some(root) = kept.next().and_then(|path| path.split_once('/')).map(|(root, _)| format!("{root}/")) else {
        return String::new();
    };
    if kept.all(|path| path.starts_with(&root)) { root } else { String::new() }
}

#[cfg(test)]
mod tests;
