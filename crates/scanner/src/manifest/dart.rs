//! Dart and Flutter.

use super::{Ecosystem, Found, List, Version};

/// `pubspec.yaml`: the two dependency blocks, by indentation.
pub(super) fn pubspec(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Pub);
    let (mut project, mut block) = (None, None);
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches(['"', '\'']);
        match key {
            "name" => project = Some((value.to_owned(), None)),
            "dependencies" => block = Some(false),
            "dev_dependencies" => block = Some(true),
            _ if !key.starts_with(' ') => block = None,
            _ => {
                if let (Some(development), Some(name)) = (block, key.strip_prefix("  ").filter(|name| !name.starts_with(' '))) {
                    list.add(name, Version::of(value), development);
                }
            }
        }
    }
    list.found(project)
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn blocks() {
        let found = pubspec(
            "name: app\ndependencies:\n  flutter:\n    sdk: flutter\n  dio: ^5.4.0\nflutter:\n  uses-material-design: true\n",
        );
        assert_eq!(names(&found), [("flutter", &Version::Any), ("dio", &Version::Range("^5.4.0".to_owned()))]);
        assert_eq!(found.project.map(|(name, _)| name).as_deref(), Some("app"));
    }
}
