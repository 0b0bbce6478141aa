//! What must not be shown (JOB-21). A kind names paths into its arguments ([`Job::REDACT`](crate::Job::REDACT)); whatever stands
//! there is hidden wherever a job is shown, and its text is taken out of errors and logs before they are stored. What the
//! handler gets is whole.
//!
//! A path is `email` or `buyer.address`; it goes through arrays as if each element stood alone. Where it ends in an object or an
//! array, everything below is secret.

use serde_json::Value;
use std::{borrow::Cow, sync::Arc};

/// What stands where something is hidden.
pub const HIDDEN: &str = "•••";

/// `value` with everything at `paths` hidden.
#[must_use]
pub fn redacted(mut value: Value, paths: &[String]) -> Value {
    for path in paths {
        at(&mut value, path, &mut |hidden| *hidden = Value::String(HIDDEN.to_owned()));
    }
    value
}

/// `new` with what was hidden from its author put back from `old`: a form shows `•••`, and what comes back unchanged was not
/// meant to be changed. The sentence of an error names the path at which there is nothing to put back.
pub(crate) fn restored(mut new: Value, old: &Value, paths: &[String]) -> Result<Value, String> {
    for path in paths {
        put_back(&mut new, Some(old), path).map_err(|()| {
            format!("{path:?} is hidden, and there is no value to keep at its place: give the value itself instead of {HIDDEN}")
        })?;
    }
    Ok(new)
}

/// Calls `change` on every value that `path` leads to.
fn at(value: &mut Value, path: &str, change: &mut dyn FnMut(&mut Value)) {
    if let Value::Array(elements) = value {
        elements.iter_mut().for_each(|element| at(element, path, change));
        return;
    }
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let Some(found) = value.as_object_mut().and_then(|object| object.get_mut(head)) else { return };
    match rest {
        Some(rest) => at(found, rest, change),
        None if found.is_null() => {}
        None => change(found),
    }
}

fn put_back(new: &mut Value, old: Option<&Value>, path: &str) -> Result<(), ()> {
    if let Value::Array(elements) = new {
        return elements
            .iter_mut()
            .enumerate()
            .try_for_each(|(index, element)| put_back(element, old.and_then(|old| old.get(index)), path));
    }
    let (head, rest) = path.split_once('.').map_or((path, None), |(head, rest)| (head, Some(rest)));
    let Some(found) = new.as_object_mut().and_then(|object| object.get_mut(head)) else { return Ok(()) };
    let before = old.and_then(|old| old.get(head));
    match (rest, before) {
        (Some(rest), before) => put_back(found, before, rest),
        (None, Some(before)) if found == HIDDEN => {
            *found = before.clone();
            Ok(())
        }
        (None, None) if found == HIDDEN => Err(()),
        (None, _) => Ok(()),
    }
}

/// Takes the secrets of one job out of texts that its run produces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor(Option<Arc<[String]>>);

impl Redactor {
    /// Shorter texts are left alone: a secret `7` would blot out every time and number of a log.
    const SHORTEST: usize = 3;

    /// Of a job with these arguments, of a kind that hides `paths`.
    pub(crate) fn new(args: &Value, paths: &[String]) -> Self {
        if paths.is_empty() {
            return Self::default();
        }
        let (mut args, mut secrets) = (args.clone(), Vec::new());
        for path in paths {
            at(&mut args, path, &mut |secret| collect(secret, &mut secrets));
        }
        secrets.sort_by_key(|secret: &String| (std::cmp::Reverse(secret.len()), secret.clone()));
        secrets.dedup();
        Self((!secrets.is_empty()).then(|| secrets.into()))
    }

    /// `text` without the secrets.
    pub(crate) fn text<'a>(&self, text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
        let mut text = text.into();
        for secret in self.0.iter().flat_map(|secrets| secrets.iter()) {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN).into();
            }
        }
        text
    }

    /// The same, in place.
    pub(crate) fn scrub(&self, text: &mut String) {
        if self.0.is_some() {
            *text = self.text(std::mem::take(text)).into_owned();
        }
    }

    /// Whether there is nothing to hide.
    pub(crate) fn is_idle(&self) -> bool {
        self.0.is_none()
    }
}

/// The texts a secret may appear as: itself, inside JSON or a debug print, inside an address.
fn collect(secret: &Value, into: &mut Vec<String>) {
    match secret {
        Value::String(text) if text.chars().count() >= Redactor::SHORTEST => {
            let quoted = Value::String(text.clone()).to_string();
            into.extend([text.clone(), quoted[1..quoted.len() - 1].to_owned(), in_address(text)]);
        }
        Value::Number(number) if number.to_string().len() > Redactor::SHORTEST => into.push(number.to_string()),
        Value::Array(elements) => elements.iter().for_each(|element| collect(element, into)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
        Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

fn in_address(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(of: &[&str]) -> Vec<String> {
        of.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_a_path_leads_to_is_hidden_whatever_it_is() {
        let args =
            json!({ "to": "a@b.c", "buyer": { "name": "Ann", "card": [4, 2] }, "lines": [{ "note": "x" }, { "note": null }] });
        let shown = redacted(args, &paths(&["to", "buyer.card", "lines.note", "nowhere.at.all"]));
        assert_eq!(
            shown,
            json!({ "to": HIDDEN, "buyer": { "name": "Ann", "card": HIDDEN }, "lines": [{ "note": HIDDEN }, { "note": null }] })
        );
    }

    #[test]
    fn what_comes_back_hidden_is_kept_and_what_was_replaced_is_not() {
        let old = json!({ "to": "a@b.c", "lines": [{ "note": "x" }, { "note": "y" }] });
        let new = json!({ "to": HIDDEN, "lines": [{ "note": "z" }, { "note": HIDDEN }] });
        let hidden = paths(&["to", "lines.note"]);
        assert_eq!(restored(new, &old, &hidden), Ok(json!({ "to": "a@b.c", "lines": [{ "note": "z" }, { "note": "y" }] })));
        assert!(restored(json!({ "to": HIDDEN }), &json!({}), &hidden).expect_err("nothing to keep").contains("\"to\""));
    }

    #[test]
    fn a_secret_is_found_however_it_is_written() {
        let args = json!({ "to": "ann \"the\" b@c.d", "pin": 48151, "short": "x", "list": ["inner", { "deep": "deeper" }] });
        let redactor = Redactor::new(&args, &paths(&["to", "pin", "short", "list"]));
        let text = r#"ann "the" b@c.d, {"to":"ann \"the\" b@c.d"}, ?to=ann%20%22the%22%20b%40c.d, 48151, x, inner, deeper"#;
        assert_eq!(redactor.text(text), r#"•••, {"to":"•••"}, ?to=•••, •••, x, •••, •••"#);
        assert!(Redactor::new(&args, &[]).is_idle());
    }
}
