//! The OpenAPI 3.1 document, made of the table of routes and the types themselves.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::Api;
use super::table::{Allow, Input, Operation, Output, TABLE};

pub(super) fn routes() -> Router<Api> {
    Router::new().route(
        "/api/v1/openapi.json",
        get(|| async { axum::Json(document()).into_response() }),
    )
}

/// The document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for row in TABLE {
        let described = operation(row, &mut generator);
        let item = paths
            .entry(row.path.to_owned())
            .or_insert_with(|| json!({}));
        if let Some(item) = item.as_object_mut() {
            item.insert(row.method.to_lowercase(), described);
        }
    }
    let mut schemas = generator.take_definitions(true);
    schemas.insert(
        "Problem".to_owned(),
        json!({
            "type": "object",
            "description": "Why something was not done.",
            "properties": { "error": { "type": "string", "description": "A sentence." } },
            "required": ["error"],
        }),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "wattle",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The home energy gateway. Exact decimals are strings; times are UTC; import is positive.",
            "license": { "name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": { "type": "apiKey", "in": "cookie", "name": super::lan::guard::COOKIE },
            },
        },
    })
}

fn operation(row: &Operation, generator: &mut SchemaGenerator) -> Value {
    let mut described = Map::new();
    described.insert("summary".to_owned(), row.summary.into());
    described.insert("operationId".to_owned(), operation_id(row).into());
    described.insert("tags".to_owned(), json!([tag(row.path)]));
    let security = match row.allow {
        Allow::Anyone => json!([]),
        _ => json!([{ "token": [] }, { "session": [] }]),
    };
    described.insert("security".to_owned(), security);
    let mut parameters = path_parameters(row.path);
    if let Some(query) = row.query {
        parameters.extend(query_parameters(&query(generator)));
    }
    if !parameters.is_empty() {
        described.insert("parameters".to_owned(), parameters.into());
    }
    let body = match row.input {
        Input::Nothing => None,
        Input::Json(of) => Some(json!({ "application/json": { "schema": of(generator) } })),
        Input::Media(media) => Some(json!({ media: { "schema": { "type": "string" } } })),
    };
    if let Some(content) = body {
        let body = json!({ "required": true, "content": content });
        described.insert("requestBody".to_owned(), body);
    }
    let mut responses = Map::new();
    let success = match row.output {
        Output::Nothing => json!({ "description": "Done." }),
        Output::Json(of) => {
            json!({ "description": "The answer.", "content": { "application/json": { "schema": of(generator) } } })
        }
        Output::Media(media) => {
            json!({ "description": "The answer.", "content": { media: { "schema": { "type": "string" } } } })
        }
    };
    responses.insert(row.success.to_string(), success);
    for status in row.problems.iter().chain(&[401, 403, 429]) {
        let problem = json!({
            "description": reason(*status),
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        // Health answers in its own form when it is ill.
        let health = *status == 503 && row.path.ends_with("health");
        let answer = if health {
            responses.get("200").cloned().unwrap_or(problem)
        } else {
            problem
        };
        responses.insert(status.to_string(), answer);
    }
    described.insert("responses".to_owned(), responses.into());
    described.into()
}

fn operation_id(row: &Operation) -> String {
    let words = row.path.strip_prefix("/api/v1");
    let words = words.map_or_else(|| format!("/running{}", row.path), str::to_owned);
    let mut id = row.method.to_lowercase();
    for part in words
        .split(['/', '.', '-', '{', '}'])
        .filter(|part| !part.is_empty())
    {
        id.push('_');
        id.push_str(part);
    }
    id
}

fn tag(path: &str) -> &str {
    let path = path.strip_prefix("/api/v1/").unwrap_or("running");
    path.split('/').next().unwrap_or("running")
}

fn path_parameters(path: &str) -> Vec<Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let parameter = |name: &str| {
        let (description, schema) = match name {
            "meter" => (
                "The meter's configured name or serial number",
                json!({ "type": "string", "minLength": 1 }),
            ),
            "obis" => (
                "OBIS code, such as 1-0:1.8.0",
                json!({ "type": "string", "pattern": "^[0-9]{1,2}-[0-9]{1,2}:[0-9]{1,2}\\.[0-9]{1,2}\\.[0-9]{1,2}$" }),
            ),
            "book" => (
                "The log book",
                json!({ "enum": ["system", "consumer", "calibration"] }),
            ),
            "id" if path.contains("corrections") => (
                "Number of the correction",
                json!({ "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_i64 }),
            ),
            "id" => (
                "Identifier of the grant",
                json!({ "type": "string", "pattern": "^[0-9a-f]{16}$" }),
            ),
            _ => ("The name", json!({ "type": "string", "minLength": 1 })),
        };
        json!({ "name": name, "in": "path", "required": true, "description": description, "schema": schema })
    };
    names.map(parameter).collect()
}

fn query_parameters(schema: &Schema) -> Vec<Value> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let properties = schema.get("properties").and_then(Value::as_object);
    let parameter = |(name, schema): (&String, &Value)| {
        let mut schema = schema.clone();
        let described = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        not_null(&mut schema);
        json!({
            "name": name,
            "in": "query",
            "required": required.contains(&name.as_str()),
            "description": described.unwrap_or_default(),
            "schema": schema,
        })
    };
    properties.into_iter().flatten().map(parameter).collect()
}

/// A parameter that is left out is not there; it is never the word null.
fn not_null(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    object.remove("default");
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            object.insert("type".to_owned(), one);
        }
    }
    if let Some(Value::Array(any)) = object.get_mut("anyOf") {
        any.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        400 => "It cannot be read.",
        401 => "There is no valid token or session.",
        403 => "The role does not allow it, or a page of another origin asked.",
        404 => "There is no such thing.",
        415 => "It came as another media type.",
        422 => "It can be read and breaks a rule.",
        429 => "Too often; try again later.",
        503 => "Not at the moment.",
        _ => "It could not be done.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_is_defined_and_every_operation_has_an_identifier_of_its_own() {
        let document = document();
        let mut ids = std::collections::BTreeSet::new();
        let paths = document["paths"].as_object().unwrap();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let id = operation["operationId"].as_str().unwrap();
                assert!(ids.insert(id.to_owned()), "{method} {path}: {id} twice");
            }
        }
        assert_eq!(ids.len(), TABLE.len());
        let text = document.to_string();
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(schemas.contains_key(name), "{name} is not defined");
        }
        assert!(schemas.contains_key("State") && schemas.contains_key("AdoptMeter"));
    }
}
