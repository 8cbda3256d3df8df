//! The API's own description: complete, and changed only on purpose.

use axum::body::Body;
use serde_json::Value;

use crate::support::Door;

fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            found.push((path.clone(), method.clone(), operation));
        }
    }
    found
}

/// A change of the wire shows as a change of this file, and is reviewed there.
#[tokio::test]
async fn the_document_is_the_one_checked_in() {
    let door = Door::remote().await;
    let document = door.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    insta::with_settings!({ prepend_module_to_snapshot => false, snapshot_path => ".." }, {
        insta::assert_json_snapshot!("openapi", document);
    });
}

/// Every documented operation is answered by a handler, and none but by its own method.
#[tokio::test]
async fn every_documented_operation_is_routed() {
    let door = Door::remote().await;
    let document = door.get("/openapi.json").await.json();
    let operations = operations(&document);
    assert!(operations.len() >= 16, "{}", operations.len());
    for (path, method, _) in operations {
        let path = path
            .replace("{namespace}", "a")
            .replace("{name}", "b")
            .replace("{digest}", "c")
            .replace("{id}", "d")
            .replace("{query}", "q")
            .replace("{number}", "0");
        let answer = door.call(&method.to_uppercase(), &path, &[], Body::empty()).await;
        let status = answer.status.as_u16();
        let is_routed =
            status != 405 && (status != 404 || answer.problem().code != "no-such-route");
        assert!(is_routed, "{method} {path}: {status}");
        // A method that no resource has.
        let answer = door.call("TRACE", &path, &[], Body::empty()).await;
        assert_eq!(answer.status, 405, "{path}");
        assert!(answer.header("allow").contains(&method.to_uppercase()), "{path}");
    }
}

/// An operation without words, or without its problems, is not documented.
#[tokio::test]
async fn every_operation_says_what_it_does_and_how_it_fails() {
    let document = serde_json::to_value(lakebed_server::openapi()).unwrap();
    for (path, method, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{method} {path}");
        assert!(operation["operationId"].is_string(), "{method} {path}");
        if path == "/openapi.json" {
            continue;
        }
        let responses = operation["responses"].as_object().unwrap();
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let problem = &response["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(problem, "#/components/schemas/Problem", "{method} {path} {status}");
        }
        assert!(responses.contains_key("500") && responses.contains_key("421"), "{method} {path}");
        let takes_input =
            operation.get("parameters").is_some() || operation.get("requestBody").is_some();
        assert!(!takes_input || responses.contains_key("400"), "{method} {path}");
    }
}

/// Every `$ref` leads somewhere.
#[test]
fn no_reference_of_the_document_is_dangling() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = serde_json::to_value(lakebed_server::openapi()).unwrap();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a local reference");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
