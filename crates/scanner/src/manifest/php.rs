//! Composer.

use super::{Ecosystem, Found, List, Version, json};

/// `composer.json`; the platform itself (`php`, `ext-*`) is no dependency.
pub(super) fn manifest(text: &str) -> Result<Found, String> {
    let manifest = json(text)?;
    let mut list = List::of(Ecosystem::Composer);
    for (field, development) in [("require", false), ("require-dev", true)] {
        for (name, version) in manifest[field].as_object().into_iter().flatten().filter(|(name, _)| name.contains('/')) {
            list.add(name, Version::of(version.as_str().unwrap_or_default()), development);
        }
    }
    Ok(list.found(manifest["name"].as_str().map(|name| (name.to_owned(), manifest["version"].as_str().map(str::to_owned)))))
}

/// `composer.lock`
pub(super) fn lock(text: &str) -> Result<Found, String> {
    let lock = json(text)?;
    let mut list = List::of(Ecosystem::Composer);
    for (field, development) in [("packages", false), ("packages-dev", true)] {
        for package in lock[field].as_array().into_iter().flatten() {
            let version = package["version"].as_str().map_or(Version::Any, Version::of);
            list.add(package["name"].as_str().unwrap_or_default(), version, development);
        }
    }
    Ok(list.found(None))
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn manifests_and_locks() {
        let found = manifest(r#"{"name":"acme/shop","require":{"php":">=8.2","laravel/framework":"^11.0"}}"#).expect("valid");
        assert_eq!(names(&found), [("laravel/framework", &Version::Range("^11.0".to_owned()))]);
        let found = lock(r#"{"packages":[{"name":"laravel/framework","version":"v11.1.0"}]}"#).expect("valid");
        assert_eq!(names(&found), [("laravel/framework", &Version::Exact("11.1.0".to_owned()))]);
    }
}
