//! .NET projects.

use super::{Ecosystem, Found, List, Version};
use regex::Regex;
use std::sync::LazyLock;

static REFERENCE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"<PackageReference\s+Include="([^"]+)"(?:\s+Version="([^"]+)")?"#).expect("tested"));

/// `*.csproj` and `*.fsproj`
pub(super) fn project(text: &str) -> Found {
    let mut list = List::of(Ecosystem::NuGet);
    for found in REFERENCE.captures_iter(text) {
        list.add(&found[1], found.get(2).map_or(Version::Any, |version| Version::of(version.as_str())), false);
    }
    if text.contains("Microsoft.NET.Sdk.Web") {
        list.add("Microsoft.AspNetCore.App", Version::Any, false);
    }
    list.found(None)
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn references() {
        let found =
            project(r#"<Project Sdk="Microsoft.NET.Sdk"><PackageReference Include="Dapper" Version="2.1.35" /></Project>"#);
        assert_eq!(names(&found), [("Dapper", &Version::Exact("2.1.35".to_owned()))]);
    }
}
