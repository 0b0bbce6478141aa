//! Patterns of malware, as YARA rules of our own in `rules/`, compiled into the program by family.
//!
//! Each rule carries in its `meta` what a finding needs: a title, a severity, a remedy.

use super::{
    Window,
    excerpt::{Lines, excerpt},
};
use crate::{Finding, Refusal, Severity, finding::Findings};
use std::{collections::HashSet, ops::Range, time::Duration};
use yara_x::{Compiler, MetaValue, ScanError, Scanner, SourceCode};

/// Families of rules; the name is their namespace.
const FAMILIES: [(&str, &str); 8] = [
    ("disguise", include_str!("../../rules/disguise.yar")),
    ("eicar", include_str!("../../rules/eicar.yar")),
    ("loader", include_str!("../../rules/loader.yar")),
    ("miner", include_str!("../../rules/miner.yar")),
    ("ransom", include_str!("../../rules/ransom.yar")),
    ("reverse_shell", include_str!("../../rules/reverse_shell.yar")),
    ("stealer", include_str!("../../rules/stealer.yar")),
    ("webshell", include_str!("../../rules/webshell.yar")),
];

/// A rule of ours does not compile.
#[derive(Debug, thiserror::Error)]
#[error("the scanner's rules `{family}` do not compile: {detail}")]
pub struct RulesError {
    family: &'static str,
    detail: String,
}

/// The compiled rules.
pub(super) struct Rules(yara_x::Rules);

impl Rules {
    pub fn compile() -> Result<Self, RulesError> {
        let mut compiler = Compiler::new();
        for (family, source) in FAMILIES {
            compiler
                .new_namespace(family)
                .add_source(SourceCode::from(source).with_origin(family))
                .map_err(|error| RulesError { family, detail: error.to_string() })?;
        }
        Ok(Self(compiler.build()))
    }

    pub fn matcher(&self) -> Matcher<'_> {
        let mut scanner = Scanner::new(&self.0);
        scanner.max_matches_per_pattern(1_000);
        Matcher { scanner, seen: HashSet::new() }
    }
}

/// Applies the rules to one file after another.
pub(super) struct Matcher<'r> {
    scanner: Scanner<'r>,
    seen: HashSet<&'r str>,
}

impl Matcher<'_> {
    /// Forgets which rules matched: each is reported once a file.
    pub fn next_file(&mut self) {
        self.seen.clear();
    }

    pub fn find(
        &mut self,
        window: &Window<'_>,
        is_text: bool,
        masks: &[Range<usize>],
        time: Duration,
        findings: &mut Findings,
    ) -> Result<(), Refusal> {
        self.scanner.set_timeout(time.max(Duration::from_secs(1)));
        let results = self.scanner.scan(window.bytes).map_err(|error| match error {
            ScanError::Timeout => Refusal::Timeout { seconds: time.as_secs() },
            other => Refusal::Damaged { detail: other.to_string() },
        })?;
        for rule in results.matching_rules() {
            if !self.seen.insert(rule.identifier()) {
                continue;
            }
            let span =
                rule.patterns().flat_map(|pattern| pattern.matches()).map(|found| found.range()).min_by_key(|span| span.start);
            let span = span.unwrap_or(0..0);
            findings.push(Finding {
                severity: severity(meta(&rule, "severity")),
                rule: format!("malware.{}", rule.identifier().replace('_', "-")),
                title: meta(&rule, "title").to_owned(),
                path: Some(window.path.to_owned()),
                line: is_text.then(|| Lines::of(window).at(span.start)),
                excerpt: is_text.then(|| excerpt(window.bytes, &span, masks)),
                remedy: meta(&rule, "remedy").to_owned(),
            });
        }
        Ok(())
    }
}

fn meta<'r>(rule: &yara_x::Rule<'_, 'r>, key: &str) -> &'r str {
    rule.metadata()
        .find_map(|(name, value)| match value {
            MetaValue::String(text) if name == key => Some(text),
            _ => None,
        })
        .unwrap_or_default()
}

fn severity(name: &str) -> Severity {
    match name {
        "review" => Severity::Review,
        "info" => Severity::Info,
        _ => Severity::Blocker,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_says_what_a_finding_needs() {
        let rules = Rules::compile().expect("our own rules");
        assert!(rules.0.iter().len() >= 20);
        for rule in rules.0.iter() {
            let has = |key: &str| {
                rule.metadata().any(|(name, value)| name == key && matches!(value, MetaValue::String(text) if !text.is_empty()))
            };
            assert!(has("title") && has("severity") && has("remedy"), "{} lacks a part of its meta", rule.identifier());
            assert!(rule.identifier().starts_with(rule.namespace()), "{} is in the wrong family", rule.identifier());
        }
    }
}
