//! pip, Poetry and uv.

use super::{Ecosystem, Found, List, Version, toml};
use ::toml::{Table, Value};

/// `requirements*.txt`
pub(super) fn requirements(text: &str) -> Found {
    let mut list = List::of(Ecosystem::PyPi);
    for line in text.lines() {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if !line.starts_with(['#', '-']) {
            requirement(&mut list, line, false);
        }
    }
    list.found(None)
}

/// `pyproject.toml`, by the standard and by Poetry.
pub(super) fn project(text: &str) -> Result<Found, String> {
    let manifest = toml(text)?;
    let mut list = List::of(Ecosystem::PyPi);
    let project = table(&manifest, &["project"]);
    for line in project.and_then(|p| p.get("dependencies")).and_then(Value::as_array).into_iter().flatten() {
        requirement(&mut list, line.as_str().unwrap_or_default(), false);
    }
    let groups = [table(&manifest, &["project", "optional-dependencies"]), table(&manifest, &["dependency-groups"])];
    for line in groups.into_iter().flatten().flat_map(Table::values).filter_map(Value::as_array).flatten() {
        requirement(&mut list, line.as_str().unwrap_or_default(), true);
    }
    let poetry = table(&manifest, &["tool", "poetry"]);
    for (field, development) in [("dependencies", false), ("dev-dependencies", true)] {
        poetry_dependencies(&mut list, poetry.and_then(|p| p.get(field)), development);
    }
    for group in table(&manifest, &["tool", "poetry", "group"]).into_iter().flat_map(Table::values) {
        poetry_dependencies(&mut list, group.get("dependencies"), true);
    }
    let named = project.or(poetry).and_then(|p| {
        let version = p.get("version").and_then(Value::as_str).map(str::to_owned);
        p.get("name").and_then(Value::as_str).map(|name| (name.to_owned(), version))
    });
    Ok(list.found(named))
}

/// `poetry.lock` and `uv.lock`
pub(super) fn lock(text: &str) -> Result<Found, String> {
    let lock = toml(text)?;
    let mut list = List::of(Ecosystem::PyPi);
    for package in lock.get("package").and_then(Value::as_array).into_iter().flatten() {
        let own = package.get("source").is_some_and(|source| source.get("editable").or(source.get("virtual")).is_some());
        if let (Some(name), Some(version), false) =
            (package.get("name").and_then(Value::as_str), package.get("version").and_then(Value::as_str), own)
        {
            list.add(name, Version::Exact(version.to_owned()), false);
        }
    }
    Ok(list.found(None))
}

/// `name[extra] >=1,<2 ; marker` (PEP 508)
fn requirement(list: &mut List, line: &str, development: bool) {
    let line = line.split(';').next().unwrap_or(line).trim();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
    let (name, rest) = line.split_at(end);
    let rest = match rest.trim_start().strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((_, rest)) => rest,
        None => rest,
    };
    let rest = rest.trim().trim_matches(['(', ')']);
    let version = match rest.strip_prefix("==") {
        Some(exact) if !exact.contains(['*', ',']) => Version::Exact(exact.trim_matches(['=', ' ']).to_owned()),
        _ if rest.is_empty() => Version::Any,
        _ => Version::Range(rest.chars().take(100).collect()),
    };
    list.add(name, version, development);
}

fn poetry_dependencies(list: &mut List, dependencies: Option<&Value>, development: bool) {
    for (name, version) in dependencies.and_then(Value::as_table).into_iter().flatten().filter(|(name, _)| *name != "python") {
        let version = version.as_str().or_else(|| version.get("version").and_then(Value::as_str));
        list.add(name, version.map_or(Version::Any, Version::of), development);
    }
}

fn table<'a>(root: &'a Table, path: &[&str]) -> Option<&'a Table> {
    path.iter().try_fold(root, |table, key| table.get(*key)?.as_table())
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn requirement_lines() {
        let found = requirements(
            "# web\nfastapi[standard]==0.115.0  # pinned\n-r dev.txt\nSQLAlchemy >= 2.0, < 3 ; python_version > '3.9'\nredis\n",
        );
        assert_eq!(
            names(&found),
            [
                ("fastapi", &Version::Exact("0.115.0".to_owned())),
                ("SQLAlchemy", &Version::Range(">= 2.0, < 3".to_owned())),
                ("redis", &Version::Any)
            ]
        );
    }

    #[test]
    fn both_kinds_of_project() {
        let standard = "[project]\nname='api'\nversion='2.0'\ndependencies=['flask>=3']\n[dependency-groups]\ndev=['pytest']";
        let poetry = "[tool.poetry]\nname='api'\n[tool.poetry.dependencies]\npython='^3.12'\nflask={version='^3.0'}\n[tool.poetry.group.dev.dependencies]\npytest='*'";
        for (text, range) in [(standard, ">=3"), (poetry, "^3.0")] {
            let found = project(text).expect("valid");
            assert_eq!(names(&found), [("flask", &Version::Range(range.to_owned())), ("pytest", &Version::Any)]);
            assert_eq!(found.project.map(|(name, _)| name).as_deref(), Some("api"));
        }
    }

    #[test]
    fn locks() {
        let text = "[[package]]\nname='api'\nversion='0'\nsource={virtual='.'}\n[[package]]\nname='flask'\nversion='3.0.3'";
        assert_eq!(names(&lock(text).expect("valid")), [("flask", &Version::Exact("3.0.3".to_owned()))]);
    }
}
