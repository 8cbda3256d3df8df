//! Who asks and how the request is called, from the request's header.

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use lakebed_api::media;
use lakebed_core::Identity;
use lakebed_service::{Ctx, Door};

use crate::{
    Access, AppState,
    auth::Caller,
    problem::{Failure, Result},
};

/// The name of one request, in its answer, its problem and its log.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

impl RequestId {
    /// The caller's own, where it is one word of 1 to 64 plain characters; else 128 random bits.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(media::REQUEST_ID).and_then(|value| value.to_str().ok());
        match given.filter(|id| is_sane(id)) {
            Some(id) => Self(id.to_owned()),
            None => Self(random_hex()),
        }
    }
}

fn is_sane(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&id.len()) && id.bytes().all(plain)
}

/// 128 random bits.
pub(crate) fn random_hex() -> String {
    let mut bits = [0; 16];
    // Without a generator ids repeat, which harms nobody but the reader of the log.
    let _ = getrandom::fill(&mut bits);
    bits.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The service's context, made of the request's header.
pub(crate) struct Context(pub(crate) Ctx);

impl FromRequestParts<AppState> for Context {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self> {
        let request_id = parts.extensions.get::<RequestId>();
        let request_id = request_id.map_or_else(random_hex, |id| id.0.clone());
        let caller = parts.extensions.get::<Caller>();
        let caller = caller.ok_or_else(|| Failure::internal("nobody asked who asks"))?;
        let mut ctx = Ctx::new(Identity::clone(&caller.identity), request_id);
        ctx.door = match state.access {
            Access::Local => Door::Local,
            Access::Remote => Door::Http,
        };
        ctx.token = caller.credential.token();
        ctx.idempotency_key = idempotency_key(&parts.headers)?;
        Ok(Self(ctx))
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(value) = headers.get(media::IDEMPOTENCY_KEY) else { return Ok(None) };
    let usable = |key: &&str| (1..=200).contains(&key.len());
    match value.to_str().ok().filter(usable) {
        Some(key) => Ok(Some(key.to_owned())),
        None => {
            let detail = "an `idempotency-key` is 1 to 200 printable ASCII characters";
            Err(Failure::invalid("invalid-idempotency-key", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn id_for(given: &'static str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert(media::REQUEST_ID, HeaderValue::from_static(given));
        RequestId::of(&headers).0
    }

    #[test]
    fn a_sane_request_id_is_kept_and_any_other_replaced() {
        assert_eq!(id_for("job-42.retry_1"), "job-42.retry_1");
        for bad in ["", "two words", "a\"b", "a/b", &"x".repeat(65)] {
            let id = id_for(bad.to_owned().leak());
            assert_eq!(id.len(), 32, "{id}");
            assert_ne!(id, id_for(bad.to_owned().leak()), "each is new");
        }
    }
}
