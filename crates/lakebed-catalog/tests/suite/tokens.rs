//! API tokens: made and revoked by events, found by one read, rebuilt with the rest (P9).

use lakebed_catalog::{Catalog, Error, TokenRecord};
use lakebed_core::{
    Action, EventBody, ScopeEntry, SecretToken, Target, TokenCreated, TokenId, TokenRevoked,
    TokenScope,
};

use crate::{databases::Databases, world::*};

fn secret(seed: u8) -> SecretToken {
    SecretToken::from_random([seed; 8], [seed; 32])
}

fn token_body(seed: u8, principal: &str) -> TokenCreated {
    TokenCreated {
        token: secret(seed).id(),
        principal: principal.parse().unwrap(),
        label: None,
        hash: secret(seed).hash(),
        expires_at: at(1_000 + i64::from(seed)),
        scope: None,
        made_with: None,
        first_admin: false,
    }
}

fn made(seed: u8, principal: &str) -> EventBody {
    EventBody::TokenCreated(token_body(seed, principal))
}

fn made_with(seed: u8, principal: &str, maker: u8) -> EventBody {
    let made_with = Some(secret(maker).id());
    EventBody::TokenCreated(TokenCreated { made_with, ..token_body(seed, principal) })
}

fn revoked(seed: u8, and_made_with_it: bool) -> EventBody {
    EventBody::TokenRevoked(TokenRevoked { token: secret(seed).id(), and_made_with_it })
}

async fn find(catalog: &Catalog, seed: u8) -> Option<TokenRecord> {
    catalog.find_token(secret(seed).id()).await.unwrap()
}

/// The first digits of the tokens that are not revoked, as readers find them.
async fn good(catalog: &Catalog) -> Vec<u8> {
    let tokens = catalog.tokens(None).await.unwrap();
    let good = tokens.iter().filter(|token| token.revoked_at.is_none());
    let mut seeds: Vec<u8> =
        good.map(|token| (1..=20).find(|seed| secret(*seed).id() == token.id).unwrap()).collect();
    seeds.sort_unstable();
    seeds
}

pub(crate) async fn a_token_is_found_with_everything_that_is_kept_of_it(databases: &Databases) {
    let catalog = databases.open("a").await;
    assert!(!catalog.has_tokens().await.unwrap());
    assert_eq!(find(&catalog, 1).await, None);
    let read = ScopeEntry { may: [Action::Read].into(), on: Target::Dataset(name("a.x")) };
    let full = TokenCreated {
        label: Some("the nightly job, \"größer\"".to_owned()),
        scope: Some(TokenScope(vec![read.clone()])),
        made_with: Some(secret(1).id()),
        first_admin: true,
        ..token_body(2, "svc:nightly")
    };
    publish(&catalog, 1, vec![made(1, "alice")]).await;
    publish(&catalog, 2, vec![EventBody::TokenCreated(full)]).await;
    assert_eq!(
        find(&catalog, 2).await.unwrap(),
        TokenRecord {
            id: secret(2).id(),
            principal: "svc:nightly".parse().unwrap(),
            label: Some("the nightly job, \"größer\"".to_owned()),
            hash: secret(2).hash(),
            created_at: at(2),
            created_by: "ann".to_owned(),
            expires_at: at(1_002),
            scope: Some(TokenScope(vec![read])),
            made_with: Some(secret(1).id()),
            first_admin: true,
            revoked_at: None,
        }
    );
    publish(&catalog, 3, vec![revoked(1, false)]).await;
    assert_eq!(find(&catalog, 1).await.unwrap().revoked_at, Some(at(3)));
    publish(&catalog, 4, vec![revoked(1, false)]).await;
    assert_eq!(find(&catalog, 1).await.unwrap().revoked_at, Some(at(3)), "once is enough");
    let all = catalog.tokens(None).await.unwrap();
    let ids: Vec<TokenId> = all.iter().map(|token| token.id).collect();
    assert_eq!(ids, [secret(2).id(), secret(1).id()], "the newest first");
    let alice = catalog.tokens(Some(&"alice".parse().unwrap())).await.unwrap();
    assert_eq!(alice, all[1..]);
    assert!(catalog.tokens(Some(&"bob".parse().unwrap())).await.unwrap().is_empty());
}

/// A token proves nothing before it can no longer be lost; a revocation counts at once.
pub(crate) async fn a_token_waits_for_the_mark_and_a_revocation_does_not(databases: &Databases) {
    let catalog = databases.open("a").await;
    commit(&catalog, 1, vec![made(1, "alice")]).await;
    assert_eq!(find(&catalog, 1).await, None);
    assert!(catalog.tokens(None).await.unwrap().is_empty());
    assert!(catalog.has_tokens().await.unwrap(), "people are known all the same");
    journal(&catalog).await;
    assert_eq!(find(&catalog, 1).await.unwrap().revoked_at, None);
    commit(&catalog, 2, vec![revoked(1, false)]).await;
    assert_eq!(find(&catalog, 1).await.unwrap().revoked_at, Some(at(2)));
}

/// Revoking a token and all that were made with it misses none, however deep, and no other.
pub(crate) async fn a_tree_of_tokens_goes_together(databases: &Databases) {
    let catalog = databases.open("a").await;
    let changes = vec![
        made(1, "alice"),
        made(2, "alice"),
        made_with(3, "alice", 1),
        made_with(4, "bob", 3),
        made_with(5, "bob", 4),
        made_with(6, "alice", 2),
    ];
    publish(&catalog, 1, changes).await;
    publish(&catalog, 2, vec![revoked(4, false)]).await;
    assert_eq!(good(&catalog).await, [1, 2, 3, 5, 6], "alone, unless asked");
    publish(&catalog, 3, vec![revoked(1, true)]).await;
    assert_eq!(good(&catalog).await, [2, 6]);
    assert_eq!(find(&catalog, 4).await.unwrap().revoked_at, Some(at(2)), "as it was");
    let late = try_commit(&catalog, 4, vec![made_with(7, "alice", 3)]).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
}

pub(crate) async fn tokens_that_cannot_be_are_refused(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![made(1, "alice")]).await;
    let absent = try_commit(&catalog, 2, vec![revoked(9, false)]).await;
    assert!(matches!(absent, Err(Error::NotFound { .. })), "{absent:?}");
    let absent = try_commit(&catalog, 2, vec![made_with(2, "alice", 9)]).await;
    assert!(matches!(absent, Err(Error::NotFound { .. })), "{absent:?}");
    let twice = try_commit(&catalog, 2, vec![made(1, "bob")]).await;
    assert!(matches!(twice, Err(Error::Invalid { .. })), "{twice:?}");
    for label in ["", "two\nlines", "nul\0", &"x".repeat(256)] {
        let label = Some(label.to_owned());
        let body = TokenCreated { label, ..token_body(2, "alice") };
        let bad = try_commit(&catalog, 2, vec![EventBody::TokenCreated(body)]).await;
        assert!(matches!(bad, Err(Error::Invalid { .. })), "{bad:?}");
    }
    assert_eq!(good(&catalog).await, [1], "nothing was written");
}

pub(crate) async fn tokens_and_revocations_are_rebuilt(databases: &Databases) {
    let (first, second) = (databases.open("first").await, databases.open("second").await);
    let segments = [
        publish(&first, 1, vec![made(1, "alice"), made_with(2, "alice", 1)]).await,
        publish(&first, 2, vec![made_with(3, "bob", 2), created("a.x")]).await,
        publish(&first, 3, vec![revoked(2, true)]).await,
    ];
    for (events, mark) in segments {
        let json = serde_json::to_string(&events).unwrap();
        let events: Vec<lakebed_core::Event> = serde_json::from_str(&json).unwrap();
        second.replay(&events, mark).await.unwrap();
    }
    let export = first.export().await.unwrap();
    assert_eq!(second.export().await.unwrap(), export);
    for table in ["tokens", "token_revocations"] {
        assert!(export.contains(&format!("{{\"table\":\"{table}\",")), "no row of {table}");
    }
    assert_eq!(good(&second).await, [1]);
}
