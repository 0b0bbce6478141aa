//! Maven and Gradle, read by their shape: neither file is data alone, so what cannot be resolved stays a range.

use super::{Ecosystem, Found, List, Version};
use regex::Regex;
use std::sync::LazyLock;

static COORDINATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"(?m)^\s*(implementation|api|compileOnly|runtimeOnly|testImplementation|kapt|ksp)[\s(]+["']([\w.\-]+):([\w.\-]+)(?::([\w.\-+$]+))?["']"#)
        .expect("tested")
});

/// `pom.xml`: every `<dependency>`.
pub(super) fn pom(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Maven);
    for block in text.split("<dependency>").skip(1) {
        let block = block.split("</dependency>").next().unwrap_or(block);
        if let (Some(group), Some(artifact)) = (tag(block, "groupId"), tag(block, "artifactId")) {
            let version = tag(block, "version").map_or(Version::Any, Version::of);
            list.add(&format!("{group}/{artifact}"), version, tag(block, "scope") == Some("test"));
        }
    }
    list.found(None)
}

/// `build.gradle` and `build.gradle.kts`: coordinates in quotes.
pub(super) fn gradle(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Maven);
    for found in COORDINATE.captures_iter(text) {
        let version = found.get(4).map_or(Version::Any, |version| Version::of(version.as_str()));
        list.add(&format!("{}/{}", &found[2], &found[3]), version, found[1].starts_with("test"));
    }
    list.found(None)
}

fn tag<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = block.split_once(&format!("<{name}>"))?;
    rest.split_once('<').map(|(value, _)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn both_builders() {
        let exact = Version::Exact("1.2.3".to_owned());
        let found = pom(
            "<dependencies><dependency><groupId>org.a</groupId><artifactId>b</artifactId><version>1.2.3</version></dependency></dependencies>",
        );
        assert_eq!(names(&found), [("org.a/b", &exact)]);
        let found = gradle("dependencies {\n  implementation(\"org.a:b:1.2.3\")\n  testImplementation 'org.c:d'\n}");
        assert_eq!(names(&found), [("org.a/b", &exact), ("org.c/d", &Version::Any)]);
    }
}
