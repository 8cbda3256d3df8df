//! The credential that a request shows: one bearer token in one header, or none.

use http::{HeaderMap, header};

use super::jwt::{MAX_TOKEN, Refusal};

/// The token of `Authorization: Bearer <token>` (RFC 6750).
///
/// # Errors
/// When there is none, or not exactly one of this form. Tokens in queries, bodies and cookies are
/// not looked for: they end up in logs and are sent by other people's pages.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let (value, more) = (given.next(), given.next());
    let value = value.ok_or(Refusal("no credential was shown"))?;
    if more.is_some() {
        return Err(Refusal("several credentials were shown"));
    }
    let text = value.to_str().map_err(|_| Refusal("the credential is not ASCII"))?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal("the credential has no scheme"))?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal("the credential's scheme is not `Bearer`"));
    }
    if token.len() > MAX_TOKEN {
        return Err(Refusal("the credential is longer than 16 KiB"));
    }
    // What tokens are made of, ours and others'.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    match !token.is_empty() && token.bytes().all(is_plain) {
        true => Ok(token),
        false => Err(Refusal("the credential is not one word")),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&[u8]]) -> Result<String, Refusal> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer(&headers).map(str::to_owned)
    }

    #[test]
    fn one_bearer_token_in_one_header_is_a_credential() {
        assert_eq!(of(&[b"Bearer abc.d-e_f"]).unwrap(), "abc.d-e_f");
        assert_eq!(of(&[b"bearer abc"]).unwrap(), "abc");
        let long = [b"Bearer ".as_slice(), &vec![b'a'; MAX_TOKEN + 1]].concat();
        let bad: [&[&[u8]]; 14] = [
            &[],
            &[b"Bearer a", b"Bearer a"],
            &[b"Bearer a", b"Basic YTpi"],
            &[b""],
            &[b"Bearer"],
            &[b"Bearer "],
            &[b"Bearer  a"],
            &[b"Bearer\ta"],
            &[b"Bearer a b"],
            &[b"Bearer a, Bearer b"],
            &[b"Bearer \xc3\xa4"],
            &[b"Basic YTpi"],
            &[b"a"],
            &[long.as_slice()],
        ];
        for bad in bad {
            assert!(of(bad).is_err(), "{bad:?}");
        }
    }
}
