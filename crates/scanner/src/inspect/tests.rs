//! A package as a seller sends it, looked at whole.

use crate::{
    Inspection, Language, Limits, Severity,
    archive::{Source, hostile::zip_of, walk},
    limits::Budget,
};
use std::io::Cursor;

fn inspect(files: &[(&str, &str)]) -> Inspection {
    let bytes = zip_of(files);
    let mut inspector = super::Inspector::default();
    let source = Source::new(Cursor::new(&bytes)).expect("memory");
    let walked = walk(source, &mut Budget::new(&Limits::default(), bytes.len() as u64), &mut inspector).expect("honest");
    inspector.finish(walked)
}

const README: &str = "# Starter\n\nInstall with npm ci, run with npm run dev, deploy with docker compose up.";

#[test]
fn an_honest_package_is_described() {
    let inspection = inspect(&[
        ("starter/README.md", README),
        ("starter/LICENSE", "MIT License. Permission is hereby granted, free of charge, to any person"),
        (
            "starter/package.json",
            r#"{"name": "starter", "version": "1.2.0", "dependencies": {"next": "^15.0.0", "react": "19.0.0"}}"#,
        ),
        ("starter/src/page.tsx", "export default function Page() { return null }"),
        ("starter/Dockerfile", "FROM node:22"),
    ]);
    assert_eq!(inspection.findings, []);
    assert_eq!(inspection.readme.as_deref(), Some("starter/README.md"));
    assert_eq!(inspection.licence.and_then(|licence| licence.spdx), Some("MIT"));
    assert_eq!(inspection.manifests, ["starter/package.json"]);
    assert_eq!(inspection.languages, [(Language::TypeScript, 46)]);
    assert_eq!(inspection.stack, ["TypeScript", "Next.js", "React", "Docker"]);
    let bill = inspection.bill_of_materials;
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.6".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "starter");
    assert_eq!(bill["components"][1]["purl"], "pkg:npm/react@19.0.0");
}

#[test]
fn what_is_missing_is_said() {
    let inspection = inspect(&[("main.py", "print('hello')")]);
    let rules: Vec<_> = inspection.findings.iter().map(|f| (f.severity, f.rule.as_str())).collect();
    assert_eq!(
        rules,
        [
            (Severity::Blocker, "package.readme-missing"),
            (Severity::Review, "package.licence-missing"),
            (Severity::Review, "package.manifest-missing"),
        ]
    );
}

#[test]
fn a_readme_must_be_where_people_look() {
    let deep = inspect(&[("src/docs/README.md", README), ("main.go", "package main"), ("go.mod", "module x")]);
    assert!(deep.findings.iter().any(|f| f.rule == "package.readme-missing"));
    let littered = inspect(&[("app/README.md", README), ("__MACOSX/._app", "x"), ("app/go.mod", "module x")]);
    assert!(littered.findings.iter().all(|f| f.rule != "package.readme-missing"));
}

#[test]
fn vendored_code_says_nothing_about_the_package() {
    let inspection = inspect(&[
        ("README.md", README),
        ("main.go", "package main"),
        ("node_modules/left-pad/package.json", r#"{"dependencies": {"react": "1.0.0"}}"#),
        ("node_modules/left-pad/index.js", "module.exports = 1"),
    ]);
    assert_eq!(inspection.languages, [(Language::Go, 12)]);
    assert_eq!(inspection.bill_of_materials["components"], serde_json::json!([]));
}

#[test]
fn a_broken_manifest_is_for_review() {
    let inspection = inspect(&[("README.md", README), ("package.json", "{ not json")]);
    let finding = inspection.findings.iter().find(|f| f.rule == "package.manifest-unreadable").expect("found");
    assert_eq!((finding.severity, finding.path.as_deref()), (Severity::Review, Some("package.json")));
}
