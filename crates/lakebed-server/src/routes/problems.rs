//! What routes share in the OpenAPI document: their problems, and bodies that are plain bytes.

use std::{borrow::Cow, collections::BTreeMap};

use http::StatusCode;
use lakebed_api::{Problem, media};
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        KnownFormat, ObjectBuilder, Ref, RefOr, Response, Schema, SchemaFormat, Type,
        content::ContentBuilder, response::ResponseBuilder,
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
    /// Of every route: nobody proved to ask, an address of somebody else, a page of somebody else, a failure; a body that
    /// is too large, too slow or encoded, a path or header that is too long, too many requests.
    Always: 400 401 403 408 413 414 415 421 429 431 500 503;
    /// Of routes that everybody may ask: the same, without asking who asks.
    AlwaysOpen: 400 403 408 413 414 415 421 429 431 500 503;
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
    /// Of routes that tell what is there for a while.
    Gone: 410;
    /// Of routes whose work may have to wait.
    TooMany: 429;
    /// Of routes that take any number of bytes.
    TooLarge: 413;
    /// Of routes that take one type of body.
    Unsupported: 415;
}

/// A body that is bytes, not JSON.
pub(crate) struct RawBytes;

impl PartialSchema for RawBytes {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        ObjectBuilder::new().schema_type(Type::String).format(Some(format)).into()
    }
}

impl ToSchema for RawBytes {
    fn name() -> Cow<'static, str> {
        "Bytes".into()
    }
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
