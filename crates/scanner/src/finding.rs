//! One thing that a check noticed, and the list that keeps a thousand copies of it from burying the rest.

use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt};

/// What a finding does to a version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The version is rejected until it is mended.
    Blocker,
    /// An admin looks at it before the version is approved.
    Review,
    /// Good to know.
    Info,
}

impl Severity {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Blocker => "blocker",
            Severity::Review => "review",
            Severity::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One observation, with where and what to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    pub severity: Severity,
    /// Stable name, `secret.aws-access-key`.
    pub rule: String,
    /// What was seen, for the seller.
    pub title: String,
    pub path: Option<String>,
    /// From one.
    pub line: Option<u32>,
    /// The line, shortened; secrets in it are masked.
    pub excerpt: Option<String>,
    /// What to do about it.
    pub remedy: String,
}

/// Findings of one rule that are listed one by one; the rest are counted.
const MAX_PER_RULE: usize = 20;

/// Collects findings, capped by rule.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    seen: HashMap<String, Tally>,
}

#[derive(Debug)]
struct Tally {
    count: usize,
    severity: Severity,
    title: String,
    remedy: String,
}

impl Findings {
    /// Takes a finding in; beyond the cap it is only counted.
    pub fn push(&mut self, finding: Finding) {
        let tally = self.seen.entry(finding.rule.clone()).or_insert_with(|| Tally {
            count: 0,
            severity: finding.severity,
            title: finding.title.clone(),
            remedy: finding.remedy.clone(),
        });
        tally.count += 1;
        if tally.count <= MAX_PER_RULE {
            self.list.push(finding);
        }
    }

    /// All findings, gravest first, then by place, with one line for each rule that has more.
    pub fn finish(mut self) -> Vec<Finding> {
        for (rule, tally) in self.seen {
            if let more @ 1.. = tally.count.saturating_sub(MAX_PER_RULE) {
                self.list.push(Finding {
                    severity: tally.severity,
                    rule,
                    title: format!("{} ({more} more places)", tally.title),
                    path: None,
                    line: None,
                    excerpt: None,
                    remedy: tally.remedy,
                });
            }
        }
        self.list.sort_by(|a, b| {
            (a.severity, &a.rule, a.path.is_none(), &a.path, a.line).cmp(&(
                b.severity,
                &b.rule,
                b.path.is_none(),
                &b.path,
                b.line,
            ))
        });
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(rule: &str, severity: Severity, line: u32) -> Finding {
        Finding {
            severity,
            rule: rule.to_owned(),
            title: "Seen".to_owned(),
            path: Some("a.py".to_owned()),
            line: Some(line),
            excerpt: None,
            remedy: String::new(),
        }
    }

    #[test]
    fn the_rest_is_counted_not_listed() {
        let mut findings = Findings::default();
        (1..=57).for_each(|line| findings.push(finding("call.eval", Severity::Review, line)));
        findings.push(finding("secret.key", Severity::Blocker, 1));
        let list = findings.finish();
        assert_eq!(list.len(), 1 + MAX_PER_RULE + 1);
        assert_eq!(list[0].rule, "secret.key");
        assert_eq!(list.last().map(|f| f.title.as_str()), Some("Seen (37 more places)"));
    }
}
