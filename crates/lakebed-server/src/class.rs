//! What kind of request it is, where that decides what it may cost.

use http::Method;

/// Kinds of requests with limits of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// Answered from the catalog, or by bytes that are there already.
    Read,
    /// SQL.
    Statement,
    /// Changes something, or reads everything.
    Write,
    /// Changes something, and its body is data.
    Upload,
    /// Tells what others did: an event, which may be long, and packed.
    Event,
}

impl Class {
    /// `route` is the pattern of the path. What is not named here goes by its method.
    pub(crate) fn of(method: &Method, route: &str) -> Self {
        let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
        match route {
            "/v1/products/{namespace}/{name}/rows"
            | "/v1/products/{namespace}/{name}/queries/{query}" => Self::Statement,
            _ if is_safe => Self::Read,
            "/v1/resolve" | "-" => Self::Read,
            "/v1/diffs" => Self::Statement,
            _ if is_below(route, "/v1/sql") || is_below(route, "/v1/statements") => Self::Statement,
            _ if is_below(route, "/v1/uploads") => Self::Upload,
            "/api/v1/lineage" => Self::Event,
            _ => Self::Write,
        }
    }
}

fn is_below(route: &str, resource: &str) -> bool {
    route.strip_prefix(resource).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_of_one_class() {
        let cases = [
            (Method::GET, "/v1/datasets", Class::Read),
            (Method::HEAD, "/v1/objects/{digest}", Class::Read),
            (Method::POST, "/v1/resolve", Class::Read),
            (Method::POST, "-", Class::Read),
            (Method::POST, "/v1/sql", Class::Statement),
            (Method::POST, "/v1/diffs", Class::Statement),
            (Method::POST, "/v1/statements/{id}/cancel", Class::Statement),
            (Method::GET, "/v1/products/{namespace}/{name}/rows", Class::Statement),
            (Method::GET, "/v1/products/{namespace}/{name}/queries/{query}", Class::Statement),
            (Method::GET, "/v1/products/{namespace}/{name}/builds", Class::Read),
            (Method::POST, "/v1/products/{namespace}/{name}/builds", Class::Write),
            (Method::POST, "/v1/sqlite", Class::Write),
            (Method::POST, "/v1/uploads", Class::Upload),
            (Method::PATCH, "/v1/uploads/{id}", Class::Upload),
            (Method::GET, "/v1/uploads/{id}", Class::Read),
            (Method::POST, "/v1/ingests", Class::Write),
            (Method::DELETE, "/v1/jobs/{id}", Class::Write),
            (Method::POST, "/api/v1/lineage", Class::Event),
            (Method::GET, "/v1/lineage/events", Class::Read),
        ];
        for (method, route, class) in cases {
            assert_eq!(Class::of(&method, route), class, "{method} {route}");
        }
    }
}
