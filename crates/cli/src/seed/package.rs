//! Packages, rendered from `seed/packages/<stack>/` in the words of a product, zipped in process, and judged by the scanner as any
//! upload is. Files below `later/` come with versions after the first, files below `programs/` with products that start others.

use super::{
    content::{Content, Product},
    scan::{self, Checked},
    vocabulary::Vocabulary,
};
use anyhow::Context;
use minijinja::{Environment, UndefinedBehavior, Value, syntax::SyntaxConfig, value::Serde};
use mywork_scanner::Scanner;
use rust_embed::RustEmbed;
use sha2::{Digest, Sha256};
use std::{
    io::{Cursor, Write},
    sync::LazyLock,
};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

#[derive(RustEmbed)]
#[folder = "../../seed/packages"]
struct Templates;

/// A package, ready to be stored.
#[derive(Debug)]
pub struct Package {
    pub file_name: String,
    pub bytes: Vec<u8>,
    pub sha256: Vec<u8>,
    pub checked: Checked,
    /// `packages/<version>/<something nobody guesses>`
    pub object_key: String,
    pub version: mywork::ids::VersionId,
}

/// All versions of a product, oldest first.
pub fn versions_of(content: &Content, product: &Product, scanner: &Scanner) -> anyhow::Result<Vec<Package>> {
    let seller = content.seller(product)?;
    (0..product.changes.len())
        .map(|version| {
            let words = Vocabulary::of(product, seller, version)?;
            let files = render(&words).with_context(|| format!("the package of {}", product.name))?;
            let file_name = format!("{}-{}", product.package, words.version);
            let bytes = pack(&file_name, &files)?;
            let checked = scan::check(scanner, &bytes).with_context(|| format!("the package of {}", product.name))?;
            let version = mywork::ids::VersionId::new();
            Ok(Package {
                file_name: format!("{file_name}.zip"),
                sha256: Sha256::digest(&bytes).to_vec(),
                bytes,
                checked,
                object_key: format!("packages/{version}/{}", uuid::Uuid::new_v4().simple()),
                version,
            })
        })
        .collect()
}

static ENVIRONMENT: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()
            .expect("no delimiter is changed"),
    );
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    for path in Templates::iter() {
        let source = Templates::get(&path).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
        environment.add_template_owned(path.into_owned(), source).expect("templates are compiled by a test");
    }
    environment
});

/// Path and text of every file, in order of path.
fn render(words: &Vocabulary<'_>) -> anyhow::Result<Vec<(String, String)>> {
    let mut files = Vec::new();
    for (template, _) in ENVIRONMENT.templates() {
        let Some((folder, path)) = template.split_once('/') else { continue };
        if (folder != "common" && folder != words.stack) || path == "about.md" {
            continue;
        }
        let path = match path.split_once('/') {
            Some(("later", rest)) if words.later => rest,
            Some(("programs", rest)) if words.runs_programs => rest,
            Some(("later" | "programs", _)) => continue,
            _ => path,
        };
        files.push((named(path, words), ENVIRONMENT.get_template(template)?.render(Value::from(Serde(words)))?));
    }
    files.sort();
    Ok(files)
}

/// The path of a template in the words of the product.
fn named(path: &str, words: &Vocabulary<'_>) -> String {
    path.trim_end_matches(".tmpl")
        .replace("_dot_", ".")
        .replace("__entity__", words.entity)
        .replace("__entities__", words.entities)
        .replace("__Entity__", &words.entity_type)
        .replace("__Name__", &words.type_name)
        .replace("__module__", &words.module)
        .replace("__package__", words.package)
}

/// A zip with everything below one folder, the same bytes each time.
fn pack(folder: &str, files: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::from_date_and_time(2025, 3, 14, 9, 26, 52).unwrap_or_default())
        .unix_permissions(0o644);
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        writer.start_file(format!("{folder}/{path}"), options)?;
        writer.write_all(text.as_bytes())?;
    }
    Ok(writer.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mywork::catalog::check::Severity;

    #[test]
    fn every_product_has_a_package_that_the_scanner_accepts() {
        let content = Content::load().expect("valid");
        let scanner = Scanner::new().expect("our own rules");
        for product in &content.products {
            let packages = versions_of(&content, product, &scanner).expect("accepted");
            assert_eq!(packages.len(), product.changes.len());
            for package in packages {
                let checked = &package.checked;
                assert!((8..=24).contains(&checked.file_count), "{} has {} files", product.name, checked.file_count);
                let review: Vec<_> = checked.findings.iter().filter(|(_, f)| f.severity == Severity::Review).collect();
                assert_eq!(!review.is_empty(), product.runs_programs, "{}: {review:?}", product.name);
            }
        }
    }

    #[test]
    fn a_package_is_the_same_bytes_each_time() {
        let content = Content::load().expect("valid");
        let scanner = Scanner::new().expect("our own rules");
        let hashes = || -> Vec<_> {
            versions_of(&content, &content.products[0], &scanner).expect("accepted").into_iter().map(|p| p.sha256).collect()
        };
        assert_eq!(hashes(), hashes());
    }
}
