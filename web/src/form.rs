//! What people and programs send: forms, query strings and JSON, each with errors that name the field.
//!
//! A page's form is declared with text fields (`String`, `Option<String>`, `Vec<String>`, `bool`) and parsed in the handler
//! into [`FieldErrors`], so that the page can be shown again with everything that was typed. HTML has its ways, and [`Form`] and
//! [`Query`] know them: a repeated key is a list, an empty field is an absent `Option`, a ticked box says `on`.

use crate::{App, Error, FieldErrors};
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::{StatusCode, header, request::Parts};
use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, Visitor, value::Error as ValueError},
    forward_to_deserialize_any,
};
use std::collections::BTreeMap;

/// Body of a page's form (`application/x-www-form-urlencoded`).
#[derive(Clone, Copy, Debug)]
pub struct Form<T>(pub T);

/// Query string.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

/// Body of an API request. Fields nobody asked for are refused by name, so that a typing error is not silently ignored.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// Parameters in the path. What does not parse names nothing: 404.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Form<T> {
    type Rejection = Error;
    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        if !has_type(&request, "application/x-www-form-urlencoded") {
            return Err(Error::OtherType("This form was sent in a way we do not read. Send it from its page."));
        }
        let body = body(request, app).await?;
        parse(&body).map(Self).map_err(Error::Invalid)
    }
}

impl<T: DeserializeOwned> FromRequestParts<App> for Query<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Error> {
        parse(parts.uri.query().unwrap_or_default().as_bytes()).map(Self).map_err(Error::Invalid)
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<App> for Path<T> {
    type Rejection = Error;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Error> {
        // Text that Postgres cannot store is nobody's name.
        if parts.uri.path().contains("%00") {
            return Err(Error::NotFound("thing"));
        }
        let path = axum::extract::Path::<T>::from_request_parts(parts, app).await;
        path.map(|axum::extract::Path(value)| Self(value)).map_err(|_| Error::NotFound("thing"))
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Json<T> {
    type Rejection = Error;
    async fn from_request(request: Request, app: &App) -> Result<Self, Error> {
        if !has_type(&request, "application/json") {
            return Err(Error::OtherType("Send JSON, with the header `content-type: application/json`."));
        }
        let body = body(request, app).await?;
        parse_json(&body).map(Self).map_err(Error::Invalid)
    }
}

fn has_type(request: &Request, expected: &str) -> bool {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(expected)
}

async fn body(request: Request, app: &App) -> Result<Bytes, Error> {
    Bytes::from_request(request, app).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::TooLarge,
        _ => Error::invalid("", "The request ended before all of it had arrived. Try again."),
    })
}

/// Reads form encoding into `T`.
///
/// # Errors
/// Names the field that is missing or of the wrong kind.
pub fn parse<T: DeserializeOwned>(encoded: &[u8]) -> Result<T, FieldErrors> {
    let mut fields = BTreeMap::<String, Vec<String>>::new();
    for (name, value) in url::form_urlencoded::parse(encoded) {
        // Lists may be written the way PHP and jQuery do.
        let name = name.strip_suffix("[]").map_or_else(|| name.to_string(), str::to_owned);
        // Postgres stores every character but one, which nobody types.
        fields.entry(name).or_default().push(value.replace("\r\n", "\n").replace('\0', ""));
    }
    let map = serde::de::value::MapDeserializer::new(fields.into_iter().map(|(name, values)| (name, Values(values))));
    serde_path_to_error::deserialize::<_, T>(map)
        .map_err(|error| sentence(&error.path().to_string(), &error.into_inner().to_string()))
}

fn parse_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, FieldErrors> {
    let mut unknown = Vec::new();
    let mut track = serde_path_to_error::Track::new();
    let mut json = serde_json::Deserializer::from_slice(body);
    let parsed = serde_ignored::deserialize(serde_path_to_error::Deserializer::new(&mut json, &mut track), |path| {
        unknown.push(name(&path));
    });
    let value: T = parsed.map_err(|error: serde_json::Error| {
        if error.is_syntax() || error.is_eof() {
            sentence("", &format!("This is not JSON: {error}."))
        } else {
            sentence(&track.path().to_string(), &without_position(&error.to_string()))
        }
    })?;
    json.end().map_err(|_| sentence("", "There is something after the end of the JSON."))?;
    let mut errors = FieldErrors::new();
    if has_nul(body) {
        errors.add("", "A text here has the character \\u0000 in it, which cannot be stored. Leave it out.");
    }
    for field in unknown {
        errors.add(field, "This field is not known here. Leave it out, or check its spelling.");
    }
    if errors.is_empty() { Ok(value) } else { Err(errors) }
}

/// A field's path, written as everywhere: `licences[0].price`.
fn name(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", name(parent)),
        Path::Map { parent, key } => match name(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent } | Path::NewtypeStruct { parent } | Path::NewtypeVariant { parent } => name(parent),
    }
}

/// Whether any text has the one character that Postgres does not store. In JSON it can only be written as an escape, so that
/// hardly any body has to be looked at twice.
fn has_nul(body: &[u8]) -> bool {
    fn within(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => text.contains('\0'),
            serde_json::Value::Array(values) => values.iter().any(within),
            serde_json::Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || within(value)),
            _ => false,
        }
    }
    body.windows(6).any(|bytes| bytes == b"\\u0000") && serde_json::from_slice(body).is_ok_and(|value| within(&value))
}

fn without_position(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(before, _)| before).to_owned()
}

/// Says of serde's message what a person can do about it.
fn sentence(path: &str, message: &str) -> FieldErrors {
    let mut errors = FieldErrors::new();
    let path = if path == "." { "" } else { path };
    if let Some(field) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        let field = if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
        errors.add(field, "This is required.");
    } else if let Some(rest) = message.strip_prefix("unknown variant ") {
        let allowed = rest.split_once("expected ").map_or(rest, |(_, allowed)| allowed);
        errors.add(path, format!("Choose {}.", allowed.replace('`', "").replace("one of ", "one of: ")));
    } else if let Some(rest) = message.strip_prefix("unknown field `") {
        let field = rest.split('`').next().unwrap_or_default();
        errors.add(field, "This field is not known here. Leave it out, or check its spelling.");
    } else {
        let mut message = message.to_owned();
        if let Some(first) = message.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        errors.add(path, if message.ends_with('.') { message } else { format!("{message}.") });
    }
    errors
}

/// All values of one key of a form.
struct Values(Vec<String>);

impl Values {
    /// The last one counts: a hidden field before a box gives the value of the box that is not ticked.
    fn last(mut self) -> String {
        self.0.pop().unwrap_or_default()
    }
}

impl<'de> IntoDeserializer<'de, ValueError> for Values {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            let text = self.last();
            match text.trim().parse::<$type>() {
                Ok(number) => visitor.$visit(number),
                Err(_) => Err(serde::de::Error::custom(format!("“{text}” is not a number that fits here."))),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Values {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_string(self.last())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_bool(matches!(self.last().as_str(), "on" | "true" | "1" | "yes"))
    }

    numbers!(deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u8 u8, deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_f32 visit_f32 f32, deserialize_f64 visit_f64 f64);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.0.last().is_none_or(|value| value.trim().is_empty()) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let values = self.0.into_iter().filter(|value| !value.is_empty()).map(|value| Values(vec![value]));
        visitor.visit_seq(serde::de::value::SeqDeserializer::new(values))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_enum(self.last().into_deserializer())
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Product {
        title: String,
        #[serde(default)]
        tags: Vec<String>,
        #[serde(default)]
        agreed: bool,
        seats: Option<u32>,
        kind: Kind,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum Kind {
        Code,
        Prompt,
    }

    fn field(errors: &FieldErrors) -> (String, String) {
        let (field, message) = errors.iter().next().expect("an error");
        (field.to_owned(), message.to_owned())
    }

    #[test]
    fn a_form_is_read_as_html_sends_it() {
        let product: Product = parse(b"title=A+%26+B&tags=x&tags=y&agreed=on&seats=&kind=code").expect("a product");
        let expected =
            Product { title: "A & B".into(), tags: vec!["x".into(), "y".into()], agreed: true, seats: None, kind: Kind::Code };
        assert_eq!(product, expected);
        let product: Product = parse(b"title=&tags=&seats=3&kind=prompt&unrelated=1").expect("a product");
        assert_eq!(product, Product { title: String::new(), tags: vec![], agreed: false, seats: Some(3), kind: Kind::Prompt });
    }

    #[test]
    fn a_form_that_cannot_be_read_names_the_field() {
        assert_eq!(field(&parse::<Product>(b"kind=code").unwrap_err()), ("title".into(), "This is required.".into()));
        assert_eq!(field(&parse::<Product>(b"title=a&kind=tea").unwrap_err()).1, "Choose code or prompt.");
        assert_eq!(field(&parse::<Product>(b"title=a&kind=code&seats=many").unwrap_err()).0, "seats");
    }

    #[test]
    fn json_with_a_field_nobody_asked_for_is_refused() {
        let errors = parse_json::<Product>(br#"{"title":"a","kind":"code","prise":3}"#).unwrap_err();
        assert_eq!(field(&errors).0, "prise");
        let errors = parse_json::<Product>(br#"{"title":7,"kind":"code"}"#).unwrap_err();
        assert_eq!(field(&errors), ("title".into(), "Invalid type: integer `7`, expected a string.".into()));
        assert_eq!(field(&parse_json::<Product>(b"{").unwrap_err()).0, "");
        let errors = parse_json::<Vec<Option<Product>>>(br#"[{"title":"a","kind":"code","prise":3}]"#).unwrap_err();
        assert_eq!(field(&errors).0, "[0].prise");
    }

    #[test]
    fn json_that_cannot_be_stored_is_refused() {
        assert!(parse_json::<Product>(br#"{"title":"a\u0000","kind":"code"}"#).is_err());
        assert!(parse_json::<Product>(br#"{"title":"a\\u0000","kind":"code"}"#).is_ok(), "a backslash and five letters");
    }
}
