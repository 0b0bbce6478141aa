//! The bill of materials: every dependency once, as CycloneDX 1.6.

use super::{Dependency, Ecosystem, Found, Version};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// More components than this are counted, not listed.
const MAX_COMPONENTS: usize = 5_000;

/// Everything the manifests of one package said.
#[derive(Default)]
pub(crate) struct Bill {
    manifests: Vec<String>,
    /// Name and version of the outermost project.
    project: Option<(usize, String, Option<String>)>,
    components: BTreeMap<(Ecosystem, String), Component>,
}

#[derive(Default)]
struct Component {
    exact: BTreeSet<String>,
    ranges: BTreeSet<String>,
    /// Needed beyond building and testing.
    runtime: bool,
}

impl Bill {
    /// Takes in what the manifest at `path` said.
    pub fn add(&mut self, path: &str, found: Found) {
        let depth = path.matches('/').count();
        if let Some((name, version)) = found.project
            && self.project.as_ref().is_none_or(|(known, ..)| depth < *known)
        {
            self.project = Some((depth, name, version));
        }
        self.manifests.push(path.to_owned());
        found.dependencies.into_iter().for_each(|dependency| self.component(dependency));
    }

    fn component(&mut self, Dependency { ecosystem, name, version, development }: Dependency) {
        let key = (ecosystem, canonical(ecosystem, &name));
        if self.components.len() >= MAX_COMPONENTS && !self.components.contains_key(&key) {
            return;
        }
        let component = self.components.entry(key).or_default();
        component.runtime |= !development;
        match version {
            Version::Exact(version) => drop(component.exact.insert(version)),
            Version::Range(range) => drop(component.ranges.insert(range)),
            Version::Any => {}
        }
    }

    /// Paths of the files it was read from.
    pub fn manifests(&self) -> Vec<String> {
        self.manifests.clone()
    }

    /// Whether the package depends on this.
    pub fn has(&self, ecosystem: Ecosystem, name: &str) -> bool {
        self.components.contains_key(&(ecosystem, name.to_owned()))
    }

    /// The bill as a CycloneDX document; `fallback` names a project that does not name itself.
    pub fn cyclone_dx(&self, fallback: &str) -> Value {
        let components: Vec<Value> =
            self.components.iter().flat_map(|((eco, name), component)| lines(*eco, name, component)).collect();
        let mut subject = json!({ "type": "application", "bom-ref": "package", "name": if fallback.is_empty() { "package" } else { fallback } });
        if let Some((_, name, version)) = &self.project {
            subject["name"] = json!(name);
            if let Some(version) = version {
                subject["version"] = json!(version);
            }
        }
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": { "component": subject },
            "components": components,
        })
    }
}

/// One entry for each exact version, or a single one with the range when none is known.
fn lines(ecosystem: Ecosystem, name: &str, component: &Component) -> Vec<Value> {
    let scope = if component.runtime { "required" } else { "optional" };
    let entry = |version: Option<&str>| {
        let purl = purl(ecosystem, name, version);
        let mut entry = json!({ "type": "library", "bom-ref": purl, "name": name, "purl": purl, "scope": scope });
        if let Some(version) = version {
            entry["version"] = json!(version);
        }
        entry
    };
    if component.exact.is_empty() {
        let mut entry = entry(None);
        if !component.ranges.is_empty() {
            let range = component.ranges.iter().map(String::as_str).collect::<Vec<_>>().join(" || ");
            entry["properties"] = json!([{ "name": "mywork:requirement", "value": range }]);
        }
        return vec![entry];
    }
    component.exact.iter().map(|version| entry(Some(version))).collect()
}

/// Names as their registry compares them.
fn canonical(ecosystem: Ecosystem, name: &str) -> String {
    match ecosystem {
        Ecosystem::PyPi => name.to_ascii_lowercase().replace(['_', '.'], "-"),
        Ecosystem::NuGet | Ecosystem::Composer => name.to_ascii_lowercase(),
        _ => name.to_owned(),
    }
}

/// `pkg:npm/%40scope/name@1.2.3` (package-url specification).
fn purl(ecosystem: Ecosystem, name: &str, version: Option<&str>) -> String {
    let mut purl = format!("pkg:{}/{}", ecosystem.purl_type(), name.split('/').map(encode).collect::<Vec<_>>().join("/"));
    if let Some(version) = version {
        purl.push('@');
        purl.push_str(&encode(version));
    }
    purl
}

fn encode(part: &str) -> String {
    part.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ecosystem: Ecosystem, name: &str, version: Version, development: bool) -> Found {
        Found { project: None, dependencies: vec![Dependency { ecosystem, name: name.to_owned(), version, development }] }
    }

    #[test]
    fn what_is_locked_wins_over_what_is_asked_for() {
        let mut bill = Bill::default();
        bill.add("package.json", found(Ecosystem::Npm, "@types/node", Version::Range("^22".to_owned()), true));
        bill.add("package-lock.json", found(Ecosystem::Npm, "@types/node", Version::Exact("22.1.0".to_owned()), true));
        bill.add("requirements.txt", found(Ecosystem::PyPi, "Typing_Extensions", Version::Range(">=4".to_owned()), false));
        let components = bill.cyclone_dx("x")["components"].clone();
        assert_eq!(components.as_array().map(Vec::len), Some(2));
        assert_eq!(
            (&components[0]["purl"], &components[0]["scope"]),
            (&json!("pkg:npm/%40types/node@22.1.0"), &json!("optional"))
        );
        assert_eq!(components[1]["purl"], "pkg:pypi/typing-extensions");
        assert_eq!(components[1]["properties"][0]["value"], ">=4");
    }

    #[test]
    fn the_outermost_project_gives_the_name() {
        let mut bill = Bill::default();
        let named = |name: &str| Found { project: Some((name.to_owned(), None)), dependencies: vec![] };
        bill.add("web/app/package.json", named("inner"));
        bill.add("package.json", named("outer"));
        assert_eq!(bill.cyclone_dx("")["metadata"]["component"]["name"], "outer");
    }
}
