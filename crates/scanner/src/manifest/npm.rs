//! npm, yarn and pnpm.

use super::{Ecosystem, Found, List, Version, json};
use serde_json::Value;

/// `package.json`
pub(super) fn package(text: &str) -> Result<Found, String> {
    let manifest = json(text)?;
    let mut list = List::of(Ecosystem::Npm);
    for (field, development) in
        [("dependencies", false), ("optionalDependencies", false), ("peerDependencies", false), ("devDependencies", true)]
    {
        for (name, version) in manifest[field].as_object().into_iter().flatten() {
            list.add(name, Version::of(version.as_str().unwrap_or_default()), development);
        }
    }
    let name = manifest["name"].as_str().map(|name| (name.to_owned(), manifest["version"].as_str().map(str::to_owned)));
    Ok(list.found(name))
}

/// `package-lock.json`, all three versions of it.
pub(super) fn lock(text: &str) -> Result<Found, String> {
    let lock = json(text)?;
    let mut list = List::of(Ecosystem::Npm);
    for (path, entry) in lock["packages"].as_object().into_iter().flatten() {
        if let Some((_, name)) = path.rsplit_once("node_modules/") {
            installed(&mut list, name, entry);
        }
    }
    if lock["packages"].is_null() {
        nested(&mut list, &lock["dependencies"]);
    }
    Ok(list.found(None))
}

/// Version 1 nests what is installed; the JSON reader bounds how deep.
fn nested(list: &mut List, dependencies: &Value) {
    for (name, entry) in dependencies.as_object().into_iter().flatten() {
        installed(list, name, entry);
        nested(list, &entry["dependencies"]);
    }
}

fn installed(list: &mut List, name: &str, entry: &Value) {
    let version = entry["version"].as_str().map_or(Version::Any, Version::of);
    list.add(entry["name"].as_str().unwrap_or(name), version, entry["dev"].as_bool().unwrap_or(false));
}

/// `yarn.lock`: a line of `name@range` keys, then an indented version.
pub(super) fn yarn(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Npm);
    let mut name = None;
    for line in text.lines() {
        if !line.starts_with([' ', '#']) && line.ends_with(':') {
            let key = line.trim_matches(['"', ':']).split(", ").next().unwrap_or_default().trim_matches('"');
            name = split_at_version(key).map(|(name, _)| name.to_owned());
        } else if let Some(version) = line.trim_start().strip_prefix("version")
            && let Some(name) = name.take()
        {
            list.add(&name, Version::of(version.trim_matches([' ', ':', '"'])), false);
        }
    }
    list.found(None)
}

/// `pnpm-lock.yaml`: keys of `packages:`, `name@version` or `/name@version`.
pub(super) fn pnpm(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Npm);
    let packages = text.lines().skip_while(|line| *line != "packages:").skip(1);
    for line in packages.take_while(|line| line.is_empty() || line.starts_with(' ')) {
        let Some(key) = line.strip_prefix("  ").filter(|key| !key.starts_with(' ')).and_then(|key| key.strip_suffix(':')) else {
            continue;
        };
        let key = key.trim_matches('\'').trim_start_matches('/');
        if let Some((name, version)) = split_at_version(key.split('(').next().unwrap_or(key)) {
            list.add(name, Version::of(version), false);
        }
    }
    list.found(None)
}

/// Splits `@scope/name@1.2.3` before the version, not before the scope.
fn split_at_version(key: &str) -> Option<(&str, &str)> {
    let at = key.char_indices().skip(1).find(|(_, c)| *c == '@')?.0;
    Some((&key[..at], &key[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    fn exact(version: &str) -> Version {
        Version::Exact(version.to_owned())
    }

    #[test]
    fn manifests() {
        let found =
            package(r#"{"name":"a","version":"1.0.0","dependencies":{"next":"^15"},"devDependencies":{"vitest":"2.0.0"}}"#)
                .expect("valid");
        assert_eq!(names(&found), [("next", &Version::Range("^15".to_owned())), ("vitest", &exact("2.0.0"))]);
        assert!(found.dependencies[1].development);
        assert_eq!(found.project, Some(("a".to_owned(), Some("1.0.0".to_owned()))));
        assert_eq!(package("[").expect_err("broken"), "it is not valid JSON (line 1)");
    }

    #[test]
    fn locks_of_all_ages() {
        let new = r#"{"packages":{"":{"name":"root"},"node_modules/a/node_modules/@s/b":{"version":"2.0.1","dev":true}}}"#;
        let old = r#"{"dependencies":{"a":{"version":"1.0.0","dependencies":{"@s/b":{"version":"2.0.1"}}}}}"#;
        assert_eq!(names(&lock(new).expect("valid")), [("@s/b", &exact("2.0.1"))]);
        assert_eq!(names(&lock(old).expect("valid")), [("a", &exact("1.0.0")), ("@s/b", &exact("2.0.1"))]);
    }

    #[test]
    fn yarn_and_pnpm() {
        let found =
            yarn("# yarn lockfile v1\n\n\"@s/a@^1.0.0\", \"@s/a@^1.1.0\":\n  version \"1.2.0\"\n\nb@2:\n  version \"2.0.0\"\n");
        assert_eq!(names(&found), [("@s/a", &exact("1.2.0")), ("b", &exact("2.0.0"))]);
        let found = pnpm(
            "lockfileVersion: '9.0'\npackages:\n\n  '@s/a@1.2.0':\n    resolution: {}\n  /b@2.0.0(c@1.0.0):\n    dev: true\nsnapshots:\n  x@1.0.0:\n",
        );
        assert_eq!(names(&found), [("@s/a", &exact("1.2.0")), ("b", &exact("2.0.0"))]);
    }
}
