//! The problems that routes share, for the OpenAPI document.

use std::collections::BTreeMap;

use http::StatusCode;
use lakebed_api::{Problem, media};
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{
        Ref, RefOr, Response,
        content::ContentBuilder,
        response::ResponseBuilder,
    },
};

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)+;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                [$($status),+].into_iter().map(problem).collect()
            }
        }
    )+};
}

problems! {
    /// Of every route: an address of somebody else, a page of somebody else, a failure.
    Always: 403 421 500 503;
    /// Of routes that take parameters.
    BadRequest: 400;
    /// Of routes that name something.
    NotFound: 404;
    /// Of routes that offer several formats.
    NotAcceptable: 406;
    /// Of routes that take a JSON body.
    BadBody: 400 413 415;
    /// Of routes that change the lake.
    Changes: 409 422 507;
}

fn problem(status: u16) -> (String, RefOr<Response>) {
    let reason = StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    let content = ContentBuilder::new()
        .schema(Some(RefOr::Ref(Ref::from_schema_name(Problem::name()))))
        .build();
    let response = ResponseBuilder::new()
        .description(reason.unwrap_or("a problem"))
        .content(media::PROBLEM, content)
        .build();
    (status.to_string(), response.into())
}
