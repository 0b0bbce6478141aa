//! Stripe's request bodies: `application/x-www-form-urlencoded` with brackets, `a[b]=1` for objects, `a[]=1` or `a[0]=1` for
//! lists. An empty value unsets.

use serde_json::{Map, Value};

/// Nothing of Stripe's is nested deeper.
const DEEPEST: usize = 8;

/// The parameters of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Params(Map<String, Value>);

impl Params {
    pub fn parse(encoded: &[u8]) -> Self {
        Self::from_pairs(url::form_urlencoded::parse(encoded).map(|(name, value)| (name.into_owned(), value.into_owned())))
    }

    fn from_pairs(pairs: impl Iterator<Item = (String, String)>) -> Self {
        let mut top = Map::new();
        for (name, value) in pairs {
            let path = path_of(&name);
            if path.len() <= DEEPEST {
                insert(&mut top, &path, value);
            }
        }
        let lists = |(name, value)| if name == "metadata" { (name, value) } else { (name, with_lists(value)) };
        Self(top.into_iter().map(lists).collect())
    }

    /// The text of a scalar that is set.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("true")
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub fn take(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The same for the same parameters, in whatever order they came.
    pub fn fingerprint(&self) -> String {
        use sha2::{Digest, Sha256};
        let mut flat = Vec::new();
        flatten("", &Value::Object(self.0.clone()), &mut flat);
        flat.sort();
        hex::encode(Sha256::digest(flat.join("\n")))
    }
}

/// `a[b][]` is `a`, `b`, nothing.
fn path_of(name: &str) -> Vec<&str> {
    let Some((first, rest)) = name.split_once('[') else { return vec![name] };
    let mut path = vec![first];
    path.extend(rest.trim_end_matches(']').split("]["));
    path
}

fn insert(into: &mut Map<String, Value>, path: &[&str], value: String) {
    let Some((first, rest)) = path.split_first() else { return };
    let name = if first.is_empty() { into.len().to_string() } else { (*first).to_owned() };
    if rest.is_empty() {
        into.insert(name, Value::String(value));
        return;
    }
    let inner = into.entry(name).or_insert_with(|| Value::Object(Map::new()));
    if !inner.is_object() {
        *inner = Value::Object(Map::new());
    }
    if let Value::Object(inner) = inner {
        insert(inner, rest, value);
    }
}

/// Objects whose names are all numbers are lists.
fn with_lists(value: Value) -> Value {
    let Value::Object(object) = value else { return value };
    let mut entries: Vec<(String, Value)> = object.into_iter().map(|(name, value)| (name, with_lists(value))).collect();
    let numbered = !entries.is_empty() && entries.iter().all(|(name, _)| name.parse::<usize>().is_ok());
    if numbered {
        entries.sort_by_key(|(name, _)| name.parse::<usize>().unwrap_or_default());
        return Value::Array(entries.into_iter().map(|(_, value)| value).collect());
    }
    Value::Object(entries.into_iter().collect())
}

fn flatten(path: &str, value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| flatten(&format!("{path}/{name}"), value, into)),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(index, value)| flatten(&format!("{path}/{index}"), value, into));
        }
        scalar => into.push(format!("{path}={scalar}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn brackets_become_objects_and_lists() {
        let params = Params::parse(
            b"amount=500&metadata[order]=a%20b&metadata[1]=x&expand[]=a&expand[]=b.c&items[1][price]=q&items[0][price]=p&note=",
        );
        assert_eq!(params.text("amount"), Some("500"));
        assert_eq!(params.text("note"), None);
        assert_eq!(params.value("metadata"), Some(&json!({"order": "a b", "1": "x"})));
        assert_eq!(params.value("expand"), Some(&json!(["a", "b.c"])));
        assert_eq!(params.value("items"), Some(&json!([{"price": "p"}, {"price": "q"}])));
    }

    #[test]
    fn order_does_not_change_the_fingerprint() {
        let print = |text: &[u8]| Params::parse(text).fingerprint();
        assert_eq!(print(b"a=1&metadata[x]=2&metadata[y]=3"), print(b"metadata[y]=3&a=1&metadata[x]=2"));
        assert_ne!(print(b"a=1"), print(b"a=2"));
    }

    #[test]
    fn odd_names_do_no_harm() {
        for odd in ["[", "]", "a[", "a[b", "[]", "a[][][]", "=", "a[b]c=1&a=2&a[d]=3", &"x[".repeat(100)] {
            let _ = Params::parse(odd.as_bytes()).fingerprint();
        }
    }
}
