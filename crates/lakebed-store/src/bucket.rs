//! What can be wrong with a bucket, told apart, with what to do about each.
//!
//! Stores answer with a status and a short document whose `<Code>` says what it is about; the client
//! we use passes it on as text. What no rule here knows is [`Error::Unavailable`]: trying later may
//! help.

use std::{error::Error as StdError, fmt};

use object_store::Error as StoreError;

use crate::{BoxError, Error, connector::Seen};

/// Why a bucket cannot be used as it is configured. Trying again changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketFault {
    /// The bucket, as `s3://name`.
    pub bucket: String,
    /// What is wrong.
    pub kind: BucketFaultKind,
}

/// What can be wrong with a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BucketFaultKind {
    /// There is none of that name.
    Absent,
    /// Nothing says who we are.
    NoCredentials,
    /// The store does not know the access key.
    UnknownKey,
    /// The secret does not fit the access key, or somebody changed the request on its way.
    WrongSignature,
    /// The credentials were good once.
    Expired,
    /// Signatures are valid for minutes, and the clocks differ by more.
    ClockSkew {
        /// How far this machine's clock is ahead of the store's, if the store said its time.
        ahead_seconds: Option<i64>,
    },
    /// Who we are may not do that.
    Forbidden,
    /// The bucket is in another region than the requests were signed for.
    WrongRegion {
        /// Where it is, if the store said so.
        expected: Option<String>,
    },
}

impl BucketFault {
    /// A stable word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self.kind {
            BucketFaultKind::Absent => "bucket-absent",
            BucketFaultKind::NoCredentials => "bucket-no-credentials",
            BucketFaultKind::UnknownKey => "bucket-unknown-key",
            BucketFaultKind::WrongSignature => "bucket-wrong-signature",
            BucketFaultKind::Expired => "bucket-expired-credentials",
            BucketFaultKind::ClockSkew { .. } => "bucket-clock-skew",
            BucketFaultKind::Forbidden => "bucket-forbidden",
            BucketFaultKind::WrongRegion { .. } => "bucket-wrong-region",
        }
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match &self.kind {
            BucketFaultKind::Absent => {
                "create the bucket, or correct its name and the endpoint: Lakebed creates no buckets"
            }
            BucketFaultKind::NoCredentials => {
                "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with AWS_PROFILE"
            }
            BucketFaultKind::UnknownKey => {
                "check the access key, and that it belongs to this endpoint; `lakebed config` says \
                 where both come from"
            }
            BucketFaultKind::WrongSignature => {
                "check the secret key; a proxy that rewrites paths or headers spoils signatures, too"
            }
            BucketFaultKind::Expired => "get new credentials, then try again",
            BucketFaultKind::ClockSkew { .. } => {
                "set this machine's clock (NTP): a signature is good for 15 minutes"
            }
            BucketFaultKind::Forbidden => {
                "Lakebed needs to get, put and list there: s3:GetObject, s3:PutObject, \
                 s3:AbortMultipartUpload on the prefix and s3:ListBucket on the bucket"
            }
            BucketFaultKind::WrongRegion { expected: Some(region) } => {
                return format!("set AWS_REGION={region}, or `region = \"{region}\"` below `[s3]`");
            }
            BucketFaultKind::WrongRegion { expected: None } => {
                "set AWS_REGION, or `region` below `[s3]`, to the bucket's region"
            }
        }
        .to_owned()
    }
}

impl fmt::Display for BucketFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = &self.bucket;
        match &self.kind {
            BucketFaultKind::Absent => write!(f, "there is no bucket `{bucket}`"),
            BucketFaultKind::NoCredentials => write!(f, "there are no credentials for `{bucket}`"),
            BucketFaultKind::UnknownKey => {
                write!(f, "the store of `{bucket}` does not know the access key")
            }
            BucketFaultKind::WrongSignature => {
                write!(f, "the store of `{bucket}` does not accept the signature")
            }
            BucketFaultKind::Expired => write!(f, "the credentials for `{bucket}` have expired"),
            BucketFaultKind::ClockSkew { ahead_seconds: Some(ahead) } => {
                let (by, way) =
                    (ahead.unsigned_abs(), if *ahead < 0 { "behind" } else { "ahead of" });
                write!(f, "this machine's clock is {by} s {way} that of the store of `{bucket}`")
            }
            BucketFaultKind::ClockSkew { ahead_seconds: None } => {
                write!(f, "this machine's clock is too far from that of the store of `{bucket}`")
            }
            BucketFaultKind::Forbidden => {
                write!(f, "the store of `{bucket}` does not permit that to these credentials")
            }
            BucketFaultKind::WrongRegion { expected: Some(region) } => {
                write!(f, "`{bucket}` is in region `{region}`, which is not the one configured")
            }
            BucketFaultKind::WrongRegion { expected: None } => {
                write!(f, "`{bucket}` is in another region than the one configured")
            }
        }
    }
}

/// Sorts a client's error about `bucket`; `seen` is what answers said beside their content.
pub(crate) fn sort(bucket: &str, seen: &Seen, error: StoreError) -> Error {
    let text = whole_text(&error);
    match kind_of(&error, &text, seen) {
        Some(kind) => {
            let fault = BucketFault { bucket: bucket.to_owned(), kind };
            Error::Bucket { fault, source: without_secrets(error, &text) }
        }
        None => Error::Unavailable { source: without_secrets(error, &text) },
    }
}

fn kind_of(error: &StoreError, text: &str, seen: &Seen) -> Option<BucketFaultKind> {
    Some(match element(text, "Code") {
        Some("NoSuchBucket" | "InvalidBucketName" | "ContainerNotFound") => BucketFaultKind::Absent,
        Some("InvalidAccessKeyId" | "InvalidSecurity") => BucketFaultKind::UnknownKey,
        Some("SignatureDoesNotMatch") => BucketFaultKind::WrongSignature,
        Some("ExpiredToken" | "InvalidToken" | "TokenRefreshRequired") => BucketFaultKind::Expired,
        Some("RequestTimeTooSkewed" | "RequestExpired") => {
            BucketFaultKind::ClockSkew { ahead_seconds: seen.ahead_seconds() }
        }
        Some(
            "PermanentRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException",
        ) => {
            let said = element(text, "Region").map(str::to_owned);
            BucketFaultKind::WrongRegion { expected: said.or_else(|| seen.region()) }
        }
        _ if text.contains("redirect without LOCATION") => {
            BucketFaultKind::WrongRegion { expected: seen.region() }
        }
        // The address of the metadata service is asked only when nothing else says who we are.
        _ if text.contains("//169.254.16") || text.contains("metadata.google.internal") => {
            BucketFaultKind::NoCredentials
        }
        _ => match error {
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                BucketFaultKind::Forbidden
            }
            _ => return None,
        },
    })
}

/// Whether an "already exists" means that somebody else's request is still under way (S3 answers
/// 409 then), so that nothing need be there.
pub(crate) fn is_only_contention(error: &StoreError) -> bool {
    let StoreError::AlreadyExists { source, .. } = error else { return false };
    let text = whole_text(source.as_ref());
    // Azure says 409 when it means that something is there.
    text.contains("409 Conflict") && !text.contains("BlobAlreadyExists")
}

/// The content of `<name>…</name>` in a store's answer.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let start = text.find(&format!("<{name}>"))? + name.len() + 2;
    let end = text[start..].find(&format!("</{name}>"))?;
    Some(&text[start..start + end])
}

/// The error and its causes: each layer tells less than the one below.
pub(crate) fn whole_text(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Errors name the URL that was asked; one that carries a signature is a key to the door.
fn without_secrets(error: StoreError, text: &str) -> BoxError {
    match text.contains("X-Amz-Signature") || text.contains("sig=") {
        true => "a signed request failed".into(),
        false => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: &str) -> StoreError {
        let text =
            format!("Server returned non-2xx status code: 403: <Error><Code>{code}</Code></Error>");
        StoreError::Generic { store: "S3", source: text.into() }
    }

    #[test]
    fn each_fault_has_its_own_word_and_hint() {
        let codes = [
            ("NoSuchBucket", "bucket-absent"),
            ("InvalidAccessKeyId", "bucket-unknown-key"),
            ("SignatureDoesNotMatch", "bucket-wrong-signature"),
            ("ExpiredToken", "bucket-expired-credentials"),
            ("RequestTimeTooSkewed", "bucket-clock-skew"),
            ("AuthorizationHeaderMalformed", "bucket-wrong-region"),
        ];
        let mut hints = std::collections::BTreeSet::new();
        for (code, word) in codes {
            match sort("s3://b", &Seen::default(), status(code)) {
                Error::Bucket { fault, .. } => {
                    assert_eq!(fault.code(), word);
                    assert!(fault.to_string().contains("s3://b") || code.starts_with("Req"));
                    hints.insert(fault.hint());
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(hints.len(), codes.len());
    }

    #[test]
    fn a_store_that_is_merely_busy_is_unavailable() {
        for code in ["SlowDown", "InternalError", "BadDigest", "RequestTimeout"] {
            let sorted = sort("s3://b", &Seen::default(), status(code));
            assert!(matches!(sorted, Error::Unavailable { .. }), "{code}");
        }
    }

    #[test]
    fn the_region_that_a_store_names_is_in_the_hint() {
        let text = "400: <Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-west-1</Region></Error>";
        let error = StoreError::Generic { store: "S3", source: text.into() };
        match sort("s3://b", &Seen::default(), error) {
            Error::Bucket { fault, .. } => assert!(fault.hint().contains("AWS_REGION=eu-west-1")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn contention_is_no_existence() {
        let conflict: BoxError =
            "non-2xx status code: 409 Conflict: ConditionalRequestConflict".into();
        let error = StoreError::AlreadyExists { path: "x".to_owned(), source: conflict };
        assert!(is_only_contention(&error));
        let exists: BoxError = "412 Precondition Failed".into();
        let error = StoreError::AlreadyExists { path: "x".to_owned(), source: exists };
        assert!(!is_only_contention(&error));
    }

    #[test]
    fn a_signed_url_is_not_in_an_error() {
        let text = "GET http://s/b/k?X-Amz-Signature=abc failed";
        let error = StoreError::Generic { store: "S3", source: text.into() };
        let shown = format!("{:?}", sort("s3://b", &Seen::default(), error));
        assert!(!shown.contains("abc"), "{shown}");
    }
}
