//! What a package depends on, read from the manifests and lock files of eleven package managers.
//!
//! Reading is lenient: a manifest of a project that is a template need not be complete. A lock file says what is installed
//! and wins over a manifest, which only says what may be; both end in one [`Bill`].

mod bill;
mod dart;
mod dotnet;
mod go;
mod jvm;
mod npm;
mod php;
mod python;
mod ruby;
mod rust;

pub(crate) use bill::Bill;

/// Where a dependency comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Ecosystem {
    Npm,
    PyPi,
    Cargo,
    Golang,
    Composer,
    Gem,
    Maven,
    NuGet,
    Pub,
}

impl Ecosystem {
    /// Type in a package URL.
    fn purl_type(self) -> &'static str {
        match self {
            Ecosystem::Npm => "npm",
            Ecosystem::PyPi => "pypi",
            Ecosystem::Cargo => "cargo",
            Ecosystem::Golang => "golang",
            Ecosystem::Composer => "composer",
            Ecosystem::Gem => "gem",
            Ecosystem::Maven => "maven",
            Ecosystem::NuGet => "nuget",
            Ecosystem::Pub => "pub",
        }
    }
}

/// One dependency as one file names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Dependency {
    pub ecosystem: Ecosystem,
    pub name: String,
    /// The exact version, or the range that is asked for.
    pub version: Version,
    /// Needed to build or test only.
    pub development: bool,
}

/// How closely a version is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    Exact(String),
    Range(String),
    Any,
}

impl Version {
    /// An exact version when it is one: digits and dots, with a suffix perhaps.
    fn of(text: &str) -> Self {
        let text = text.trim();
        let plain = text.strip_prefix(['=', 'v']).map_or(text, |rest| rest.trim_start_matches('='));
        let parts = plain.split(['.', '-', '+']).count();
        if text.is_empty() || text == "*" || text == "latest" {
            Version::Any
        } else if parts >= 3
            && plain.starts_with(|c: char| c.is_ascii_digit())
            && plain.chars().all(|c| c.is_ascii_alphanumeric() || ".-+_".contains(c))
            && !plain.split('.').any(|part| part == "x")
        {
            Version::Exact(plain.to_owned())
        } else {
            Version::Range(text.to_owned())
        }
    }
}

/// What one file said.
#[derive(Default, Debug)]
pub(crate) struct Found {
    /// Name and version of the project itself.
    pub project: Option<(String, Option<String>)>,
    pub dependencies: Vec<Dependency>,
}

/// Collects dependencies of one ecosystem.
struct List {
    ecosystem: Ecosystem,
    dependencies: Vec<Dependency>,
}

impl List {
    fn of(ecosystem: Ecosystem) -> Self {
        Self { ecosystem, dependencies: Vec::new() }
    }

    fn add(&mut self, name: &str, version: Version, development: bool) {
        let name = name.trim();
        if !name.is_empty() && name.len() <= 214 {
            self.dependencies.push(Dependency { ecosystem: self.ecosystem, name: name.to_owned(), version, development });
        }
    }

    fn found(self, project: Option<(String, Option<String>)>) -> Found {
        Found { project, dependencies: self.dependencies }
    }
}

/// A file we can read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    PackageJson,
    PackageLock,
    YarnLock,
    PnpmLock,
    Requirements,
    PyProject,
    PythonLock,
    CargoToml,
    CargoLock,
    GoMod,
    ComposerJson,
    ComposerLock,
    Gemfile,
    GemfileLock,
    Pom,
    Gradle,
    Project,
    Pubspec,
}

/// The kind of manifest at `path`, if it is one.
pub(crate) fn kind_of(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or(path);
    Some(match name {
        "package.json" => Kind::PackageJson,
        "package-lock.json" | "npm-shrinkwrap.json" => Kind::PackageLock,
        "yarn.lock" => Kind::YarnLock,
        "pnpm-lock.yaml" => Kind::PnpmLock,
        "pyproject.toml" => Kind::PyProject,
        "poetry.lock" | "uv.lock" => Kind::PythonLock,
        "Cargo.toml" => Kind::CargoToml,
        "Cargo.lock" => Kind::CargoLock,
        "go.mod" => Kind::GoMod,
        "composer.json" => Kind::ComposerJson,
        "composer.lock" => Kind::ComposerLock,
        "Gemfile" => Kind::Gemfile,
        "Gemfile.lock" => Kind::GemfileLock,
        "pom.xml" => Kind::Pom,
        "build.gradle" | "build.gradle.kts" => Kind::Gradle,
        "pubspec.yaml" => Kind::Pubspec,
        _ if name.starts_with("requirements") && name.ends_with(".txt") => Kind::Requirements,
        _ if name.ends_with(".csproj") || name.ends_with(".fsproj") => Kind::Project,
        _ => return None,
    })
}

/// Reads one manifest; the error is a clause that completes "could not be read: …".
pub(crate) fn read(kind: Kind, text: &str) -> Result<Found, String> {
    let text = text.trim_start_matches('\u{feff}');
    match kind {
        Kind::PackageJson => npm::package(text),
        Kind::PackageLock => npm::lock(text),
        Kind::YarnLock => Ok(npm::yarn(text)),
        Kind::PnpmLock => Ok(npm::pnpm(text)),
        Kind::Requirements => Ok(python::requirements(text)),
        Kind::PyProject => python::project(text),
        Kind::PythonLock => python::lock(text),
        Kind::CargoToml => rust::manifest(text),
        Kind::CargoLock => rust::lock(text),
        Kind::GoMod => Ok(go::module(text)),
        Kind::ComposerJson => php::manifest(text),
        Kind::ComposerLock => php::lock(text),
        Kind::Gemfile => Ok(ruby::gemfile(text)),
        Kind::GemfileLock => Ok(ruby::lock(text)),
        Kind::Pom => Ok(jvm::pom(text)),
        Kind::Gradle => Ok(jvm::gradle(text)),
        Kind::Project => Ok(dotnet::project(text)),
        Kind::Pubspec => Ok(dart::pubspec(text)),
    }
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("it is not valid JSON (line {})", error.line()))
}

fn toml(text: &str) -> Result<toml::Table, String> {
    text.parse().map_err(|_| "it is not valid TOML".to_owned())
}

#[cfg(test)]
fn names(found: &Found) -> Vec<(&str, &Version)> {
    found.dependencies.iter().map(|d| (d.name.as_str(), &d.version)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KINDS: [Kind; 18] = [
        Kind::PackageJson,
        Kind::PackageLock,
        Kind::YarnLock,
        Kind::PnpmLock,
        Kind::Requirements,
        Kind::PyProject,
        Kind::PythonLock,
        Kind::CargoToml,
        Kind::CargoLock,
        Kind::GoMod,
        Kind::ComposerJson,
        Kind::ComposerLock,
        Kind::Gemfile,
        Kind::GemfileLock,
        Kind::Pom,
        Kind::Gradle,
        Kind::Project,
        Kind::Pubspec,
    ];

    #[test]
    fn exact_versions_are_told_from_ranges() {
        assert_eq!(Version::of("=1.2.3"), Version::Exact("1.2.3".to_owned()));
        assert_eq!(Version::of("v1.2.3-rc.1"), Version::Exact("1.2.3-rc.1".to_owned()));
        for range in ["^1.2.3", "1.2", ">=1,<2", "1.x.0", "git+ssh://x"] {
            assert_eq!(Version::of(range), Version::Range(range.to_owned()));
        }
        assert_eq!(Version::of("*"), Version::Any);
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_panic(text in "(\\PC|[\\n\"{}\\[\\]=:@<>/]){0,120}") {
            for kind in KINDS {
                let _ = read(kind, &text);
            }
        }
    }
}
