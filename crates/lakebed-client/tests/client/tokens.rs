//! A token goes to its server, and only where nobody else can read it.

use lakebed_api::TokenRequest;
use lakebed_client::{Client, ClientError};
use url::Url;

use crate::support::{JSON, answer, client};

#[tokio::test]
async fn a_token_is_shown_with_every_request() {
    let (client, log) = client(|| answer(200, &[JSON], "{}"));
    let _ = client.whoami().await;
    let client = client.with_token("lkb_x").unwrap();
    let _ = client.whoami().await;
    let _ = client.create_token(&TokenRequest::default()).await;
    let _ = client.tokens(true).await;
    let _ = client.tokens(false).await;
    let _ = client.revoke_token("9f2c61d07a5b4c3e".parse().unwrap(), true).await;
    let asked = log.lock().unwrap().clone();
    let lines = asked.iter().map(|asked| {
        let shown = asked.headers.iter().find(|header| header.starts_with("authorization: "));
        format!("{} [{}] {}\n", asked.line, shown.map_or("", String::as_str), asked.body)
    });
    insta::assert_snapshot!(lines.collect::<String>(), @r"
    GET /v1/whoami [] 
    GET /v1/whoami [authorization: Bearer lkb_x] 
    POST /v1/tokens [authorization: Bearer lkb_x] {}
    GET /v1/tokens?all=true [authorization: Bearer lkb_x] 
    GET /v1/tokens [authorization: Bearer lkb_x] 
    DELETE /v1/tokens/9f2c61d07a5b4c3e?and_made_with_it=true [authorization: Bearer lkb_x] 
    ");
}

#[test]
fn a_token_is_not_sent_in_the_clear_to_another_machine() {
    let with =
        |url: &str| Client::remote(Url::parse(url).unwrap()).unwrap().with_token("lkb_s3cret");
    for good in [
        "https://lake.example/",
        "http://127.0.0.1:8080/",
        "http://[::1]:8080/",
        "http://localhost:8080/",
    ] {
        assert!(with(good).is_ok(), "{good}");
    }
    for bad in [
        "http://lake.example/",
        "http://192.168.1.2:8080/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://[::ffff:192.168.1.2]/",
    ] {
        let error = with(bad).unwrap_err();
        assert!(matches!(error, ClientError::Insecure { .. }), "{bad}: {error:?}");
        assert!(!format!("{error:?} {error}").contains("s3cret"));
    }
    assert!(with("https://lake.example/").unwrap().with_token("two\nlines").is_err());
    let shown = format!("{:?}", with("https://lake.example/").unwrap());
    assert!(!shown.contains("s3cret"), "{shown}");
}
