//! What the scanner says of a package, in the shape the domain keeps it. A package of ours that is refused or blocked is a fault
//! of ours and ends the seed.

use anyhow::{anyhow, ensure};
use mywork::catalog::check::{Finding, Severity, Step};
use mywork_scanner::{Inspection, Limits, Scanner};
use serde_json::json;
use std::io::Cursor;

pub use mywork::seed::Checked;

/// Inspects and scans.
pub fn check(scanner: &Scanner, bytes: &[u8]) -> anyhow::Result<Checked> {
    let limits = Limits::default();
    let refused = |refusal: mywork_scanner::Refusal| anyhow!("{} {}", refusal.sentence(), refusal.remedy());
    let mut inspection = scanner.inspect_reader(Cursor::new(bytes), &limits).map_err(refused)?;
    let scanned = scanner.scan_reader(Cursor::new(bytes), &limits).map_err(refused)?;
    let validated = std::mem::take(&mut inspection.findings);
    let findings: Vec<_> = validated
        .into_iter()
        .map(|finding| (Step::Validate, converted(finding)))
        .chain(scanned.into_iter().map(|finding| (Step::Scan, converted(finding))))
        .collect();
    let blocker = findings.iter().find(|(_, finding)| finding.severity == Severity::Blocker);
    ensure!(blocker.is_none(), "the scanner would reject it: {blocker:?}");
    described(inspection, findings)
}

fn described(inspection: Inspection, findings: Vec<(Step, Finding)>) -> anyhow::Result<Checked> {
    let mut files: Vec<_> = inspection.files.iter().map(|file| (file.path.as_str(), file.size)).collect();
    files.sort_unstable();
    let main: Vec<&str> = inspection.stack.iter().take(4).map(String::as_str).collect();
    Ok(Checked {
        files: files.iter().map(|(path, size)| json!({ "path": path, "size": size })).collect(),
        file_count: i32::try_from(files.len())?,
        unpacked_bytes: i64::try_from(inspection.unpacked_bytes)?,
        summary: format!("{} files of {}, safe to unpack.", files.len(), main.join(", ")),
        bill_of_materials: inspection.bill_of_materials,
        stack: inspection.stack,
        findings,
    })
}

fn converted(finding: mywork_scanner::Finding) -> Finding {
    Finding {
        severity: match finding.severity {
            mywork_scanner::Severity::Blocker => Severity::Blocker,
            mywork_scanner::Severity::Review => Severity::Review,
            mywork_scanner::Severity::Info => Severity::Info,
        },
        rule: finding.rule,
        title: finding.title,
        path: finding.path,
        line: finding.line.and_then(|line| i32::try_from(line).ok()),
        excerpt: finding.excerpt,
        remedy: finding.remedy,
    }
}
