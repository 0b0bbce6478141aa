//! Bundler.

use super::{Ecosystem, Found, List, Version};

/// `Gemfile`: lines of `gem "name", "~> 1.0"`.
pub(super) fn gemfile(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Gem);
    for line in text.lines().filter_map(|line| line.trim().strip_prefix("gem ")) {
        let mut quoted = line.split(['"', '\'']).skip(1).step_by(2);
        if let Some(name) = quoted.next() {
            let version = quoted.next().filter(|v| v.contains(|c: char| c.is_ascii_digit()) && !v.contains('/'));
            list.add(name, version.map_or(Version::Any, Version::of), false);
        }
    }
    list.found(None)
}

/// `Gemfile.lock`: four spaces, name, version in brackets.
pub(super) fn lock(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Gem);
    for line in text.lines() {
        let Some(spec) = line.strip_prefix("    ").filter(|spec| !spec.starts_with(' ')) else { continue };
        if let Some((name, version)) = spec.split_once(" (") {
            list.add(name, Version::Exact(version.trim_end_matches(')').to_owned()), false);
        }
    }
    list.found(None)
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn manifests_and_locks() {
        let found = gemfile("source \"https://rubygems.org\"\ngem \"rails\", \"~> 8.0\"\n  gem 'puma'\n");
        assert_eq!(names(&found), [("rails", &Version::Range("~> 8.0".to_owned())), ("puma", &Version::Any)]);
        let found = lock("GEM\n  remote: https://rubygems.org/\n  specs:\n    rails (8.0.1)\n      actionpack (= 8.0.1)\n");
        assert_eq!(names(&found), [("rails", &Version::Exact("8.0.1".to_owned()))]);
    }
}
