//! The API's reference page: the OpenAPI document laid out for reading, by areas, without a script.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use utoipa::openapi::OpenApi;

/// What the page shows.
#[derive(Serialize)]
pub(crate) struct Reference {
    version: String,
    description: String,
    areas: Vec<Area>,
    schemas: Vec<Schema>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Area {
    name: String,
    operations: Vec<Operation>,
}

#[derive(Serialize)]
struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    description: String,
    parameters: Vec<Field>,
    body: Option<String>,
    responses: Vec<Answer>,
}

#[derive(Serialize)]
struct Answer {
    status: String,
    description: String,
    body: Option<String>,
}

#[derive(Serialize)]
struct Schema {
    name: String,
    description: String,
    fields: Vec<Field>,
    values: Vec<String>,
}

#[derive(Serialize)]
struct Field {
    name: String,
    place: String,
    kind: String,
    required: bool,
    description: String,
}

#[derive(Serialize)]
struct Problem {
    status: u16,
    name: &'static str,
    title: &'static str,
}

impl Reference {
    pub fn of(document: &OpenApi, problems: &[(u16, &'static str, &'static str)]) -> Self {
        let json = serde_json::to_value(document).unwrap_or_default();
        let mut areas = BTreeMap::<String, Vec<Operation>>::new();
        for (path, item) in entries(&json["paths"]) {
            for (method, operation) in entries(item) {
                if operation["responses"].is_object() {
                    let area = operation["tags"][0].as_str().unwrap_or("other").to_owned();
                    areas.entry(area).or_default().push(Operation::of(method, path, operation));
                }
            }
        }
        Self {
            version: text(&json["info"]["version"]),
            description: text(&json["info"]["description"]),
            areas: areas.into_iter().map(|(name, operations)| Area { name, operations }).collect(),
            schemas: entries(&json["components"]["schemas"]).map(|(name, schema)| Schema::of(name, schema)).collect(),
            problems: problems.iter().map(|&(status, name, title)| Problem { status, name, title }).collect(),
        }
    }
}

impl Operation {
    fn of(method: &str, path: &str, operation: &Value) -> Self {
        let parameters = list(&operation["parameters"]).map(|parameter| Field {
            name: text(&parameter["name"]),
            place: text(&parameter["in"]),
            kind: kind(&parameter["schema"]),
            required: parameter["required"].as_bool().unwrap_or_default(),
            description: text(&parameter["description"]),
        });
        let responses = entries(&operation["responses"]).map(|(status, answer)| Answer {
            status: status.to_owned(),
            description: text(&answer["description"]),
            body: content(&answer["content"]),
        });
        Self {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            description: text(&operation["description"]),
            parameters: parameters.collect(),
            body: content(&operation["requestBody"]["content"]),
            responses: responses.collect(),
        }
    }
}

impl Schema {
    fn of(name: &str, schema: &Value) -> Self {
        let required: Vec<&str> = list(&schema["required"]).filter_map(Value::as_str).collect();
        // A flattened type is one of several parts.
        let parts: Vec<&Value> = if schema["allOf"].is_array() { list(&schema["allOf"]).collect() } else { vec![schema] };
        let fields = parts.into_iter().flat_map(|part| entries(&part["properties"])).map(|(name, field)| Field {
            name: name.to_owned(),
            place: String::new(),
            kind: kind(field),
            required: required.contains(&name),
            description: text(&field["description"]),
        });
        Self {
            name: name.to_owned(),
            description: text(&schema["description"]),
            fields: fields.collect(),
            values: list(&schema["enum"]).map(text).collect(),
        }
    }
}

fn entries(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The schema of a body, by name.
fn content(content: &Value) -> Option<String> {
    entries(content).next().map(|(_, media)| kind(&media["schema"]))
}

/// A schema in a word or two: `string`, `Product`, `list of Review`.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if schema[several].is_array() {
            let kinds: Vec<String> = list(&schema[several]).map(kind).filter(|kind| kind != "null").collect();
            return kinds.join(" or ");
        }
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect(),
        one => one.as_str().into_iter().collect(),
    };
    match kinds.as_slice() {
        ["array"] => format!("list of {}", kind(&schema["items"])),
        [] => "anything".to_owned(),
        kinds => match schema["format"].as_str() {
            Some(format) if !matches!(format, "int32" | "int64" | "double" | "float") => {
                format!("{} ({format})", kinds.join(" or "))
            }
            _ => kinds.join(" or "),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_are_named_in_a_word_or_two() {
        assert_eq!(kind(&json!({ "$ref": "#/components/schemas/Product" })), "Product");
        assert_eq!(kind(&json!({ "type": "array", "items": { "$ref": "#/x/Review" } })), "list of Review");
        assert_eq!(kind(&json!({ "type": ["string", "null"], "format": "date-time" })), "string (date-time)");
        assert_eq!(kind(&json!({ "oneOf": [{ "type": "null" }, { "$ref": "#/x/Seller" }] })), "Seller");
        assert_eq!(kind(&json!({ "type": "integer", "format": "int64" })), "integer");
    }
}
