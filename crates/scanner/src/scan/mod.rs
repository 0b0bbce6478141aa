//! What is dangerous in a package (SCAN-02): malware patterns, leaked secrets, calls worth a second look.
//!
//! A file passes through in windows that overlap, so that memory stays bounded however large it is and nothing hides on a
//! seam. Patterns of malware are looked for in every file; secrets and calls only in text. A finding shows its line with
//! every secret of the window masked, whichever detector found it.

mod calls;
mod excerpt;
mod secrets;
mod text;
mod yara;

pub use yara::RulesError;

use crate::{
    Finding, Language, Refusal,
    archive::{Content, Visitor},
    finding::Findings,
};
use std::borrow::Cow;

/// Bytes looked at together.
const WINDOW: usize = 4 << 20;
/// Bytes that two windows share; no pattern of ours is longer.
const OVERLAP: usize = 8 << 10;

/// All rules, compiled; immutable and shared.
pub(crate) struct Detectors {
    yara: yara::Rules,
    secrets: secrets::Detectors,
    calls: calls::Detectors,
}

impl Detectors {
    pub fn new() -> Result<Self, RulesError> {
        Ok(Self { yara: yara::Rules::compile()?, secrets: secrets::Detectors::new(), calls: calls::Detectors::new() })
    }
}

/// One reading of one package.
pub(crate) struct Reading<'d> {
    detectors: &'d Detectors,
    yara: yara::Matcher<'d>,
    findings: Findings,
    buffer: Vec<u8>,
}

/// A part of a file, as the detectors see it.
pub(crate) struct Window<'w> {
    pub path: &'w str,
    pub bytes: &'w [u8],
    /// Number of the line on which it begins.
    pub first_line: u32,
    /// Matches that begin here or later belong to the next window.
    pub end: usize,
}

impl<'d> Reading<'d> {
    pub fn new(detectors: &'d Detectors) -> Self {
        Self { detectors, yara: detectors.yara.matcher(), findings: Findings::default(), buffer: Vec::new() }
    }

    pub fn finish(self) -> Vec<Finding> {
        self.findings.finish()
    }

    fn look(&mut self, window: &Window<'_>, is_text: bool, content: &Content<'_>) -> Result<(), Refusal> {
        let secrets = if is_text { self.detectors.secrets.find(window) } else { Vec::new() };
        let masks: Vec<_> = secrets.iter().map(|secret| secret.span.clone()).collect();
        self.yara.find(window, is_text, &masks, content.time_left()?, &mut self.findings)?;
        secrets.into_iter().for_each(|secret| self.findings.push(secret.finding(window, &masks)));
        if is_text && let Some(language) = Language::of(window.path) {
            self.detectors.calls.find(window, language, &masks, &mut self.findings);
        }
        content.time_left().map(drop)
    }
}

impl Visitor for Reading<'_> {
    fn file(&mut self, path: &str, content: &mut Content<'_>) -> Result<(), Refusal> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        self.yara.next_file();
        let (mut first_line, mut encoding) = (1, None);
        loop {
            let more = content.fill(&mut buffer, WINDOW)?;
            let encoding = *encoding.get_or_insert_with(|| text::Encoding::of(&buffer, path));
            let bytes: Cow<'_, [u8]> = encoding.decode(&buffer);
            let keep = if more { OVERLAP } else { 0 };
            // In UTF-16 a kept byte becomes half to one and a half bytes of text; the smaller end only repeats a little.
            let end = if more { bytes.len() - (bytes.len() * keep / buffer.len().max(1)).min(bytes.len()) } else { bytes.len() };
            let window = Window { path, bytes: &bytes, first_line, end };
            self.look(&window, encoding.is_text(), content)?;
            if !more {
                break;
            }
            first_line += excerpt::newlines(&bytes[..end]);
            drop(bytes);
            buffer.drain(..buffer.len() - keep);
        }
        self.buffer = buffer;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
