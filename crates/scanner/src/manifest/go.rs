//! Go modules.

use super::{Ecosystem, Found, List, Version};

/// `go.mod`: its versions are what is built, so they count as exact.
pub(super) fn module(text: &str) -> Found {
    let mut list = List::of(Ecosystem::Golang);
    let (mut project, mut inside) = (None, false);
    for line in text.lines() {
        let words: Vec<&str> = line.split("//").next().unwrap_or(line).split_whitespace().collect();
        match words.as_slice() {
            ["module", name] => project = Some(((*name).to_owned(), None)),
            ["require", "("] => inside = true,
            [")"] => inside = false,
            ["require", name, version] => list.add(name, Version::Exact((*version).to_owned()), false),
            [name, version] if inside => list.add(name, Version::Exact((*version).to_owned()), false),
            _ => {}
        }
    }
    list.found(project)
}

#[cfg(test)]
mod tests {
    use super::{super::names, *};

    #[test]
    fn reads_single_lines_and_blocks() {
        let found = module(
            "module example.com/api\n\ngo 1.24\nrequire example.com/a v1.0.0\nrequire (\n\texample.com/b v2.1.0 // indirect\n)\nreplace example.com/b => ../b\n",
        );
        let exact = |v: &str| Version::Exact(v.to_owned());
        assert_eq!(names(&found), [("example.com/a", &exact("v1.0.0")), ("example.com/b", &exact("v2.1.0"))]);
        assert_eq!(found.project, Some(("example.com/api".to_owned(), None)));
    }
}
