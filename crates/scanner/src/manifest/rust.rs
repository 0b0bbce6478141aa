//! Cargo.

use super::{Ecosystem, Found, List, Version, toml};
use ::toml::{Table, Value};

/// `Cargo.toml`, a workspace's too.
pub(super) fn manifest(text: &str) -> Result<Found, String> {
    let manifest = toml(text)?;
    let mut list = List::of(Ecosystem::Cargo);
    sections(&mut list, &manifest);
    if let Some(workspace) = manifest.get("workspace").and_then(Value::as_table) {
        sections(&mut list, workspace);
    }
    for target in manifest.get("target").and_then(Value::as_table).into_iter().flat_map(Table::values).filter_map(Value::as_table)
    {
        sections(&mut list, target);
    }
    let package = manifest.get("package");
    let text_of = |key| package.and_then(|p| p.get(key)).and_then(Value::as_str).map(str::to_owned);
    Ok(list.found(text_of("name").map(|name| (name, text_of("version")))))
}

/// `Cargo.lock`; packages without a source are the project's own.
pub(super) fn lock(text: &str) -> Result<Found, String> {
    let lock = toml(text)?;
    let mut list = List::of(Ecosystem::Cargo);
    for package in lock.get("package").and_then(Value::as_array).into_iter().flatten() {
        if let (Some(name), Some(version), Some(_)) =
            (package.get("name").and_then(Value::as_str), package.get("version").and_then(Value::as_str), package.get("source"))
        {
            list.add(name, Version::Exact(version.to_owned()), false);
        }
    }
    Ok(list.found(None))
}

fn sections(list: &mut List, table: &Table) {
    for (section, development) in [("dependencies", false), ("dev-dependencies", true), ("build-dependencies", true)] {
        for (alias, spec) in table.get(section).and_then(Value::as_table).into_iter().flatten() {
            if spec.get("path").is_some() {
                continue;
            }
            let name = spec.get("package").and_then(Value::as_str).unwrap_or(alias);
            let version = spec.as_str().or_else(|| spec.get("version").and_then(Value::as_str));
            // A bare version is a range in Cargo; only `=` pins.
            let version =
                version.map_or(Version::Any, |v| if v.starts_with('=') { Version::of(v) } else { Version::Range(v.to_owned()) });
            list.add(name, version, development);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn manifests_and_locks() {
        let found = manifest("[package]\nname='x'\nversion='1.0.0'\n[dependencies]\naxum='0.8'\nours={path='../ours'}\nhttp1={package='http',version='=1.1.0'}").expect("valid");
        assert_eq!(names(&found), [("axum", &Version::Range("0.8".to_owned())), ("http", &Version::Exact("1.1.0".to_owned()))]);
        let found = lock("[[package]]\nname='x'\nversion='1.0.0'\n[[package]]\nname='axum'\nversion='0.8.1'\nsource='registry'")
            .expect("valid");
        assert_eq!(names(&found), [("axum", &Version::Exact("0.8.1".to_owned()))]);
    }
}
