//! A small world in which everything can happen: few names, so that they meet.

use std::collections::BTreeSet;

use lakebed_core::{
    Action, Declared, Grant, Identity, ScopeEntry, StageName, Standing, Target, Timestamp,
    TokenScope,
};
use proptest::{collection, option, prelude::*, sample};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_000_000);

pub(crate) fn action() -> impl Strategy<Value = Action> {
    sample::select(Action::ALL.to_vec())
}

pub(crate) fn actions() -> impl Strategy<Value = BTreeSet<Action>> {
    collection::btree_set(action(), 1..4)
}

pub(crate) fn target() -> impl Strategy<Value = Target> {
    let texts = ["lake", "crm.*", "hr.*", "crm.customers", "crm.orders", "hr.people"];
    sample::select(texts.map(|text| text.parse().expect("a target")).to_vec())
}

pub(crate) fn grant() -> impl Strategy<Value = Grant> {
    let to = sample::select(vec!["alice", "bob", "group:analysts", "group:engineering"]);
    let until = option::of((0..2_000_000_i64).prop_map(Timestamp::from_micros));
    (to, actions(), target(), prop_oneof![9 => Just("raw"), 1 => Just("product")], until).prop_map(
        |(to, may, on, stage, until)| Grant {
            to: to.parse().expect("a grantee"),
            may,
            on,
            from_stage: stage.parse::<StageName>().expect("a stage"),
            until,
        },
    )
}

/// Alice is declared an analyst; engineers are whom the identity provider says.
pub(crate) fn declared() -> impl Strategy<Value = Declared> {
    collection::btree_set(grant(), 0..8).prop_map(|grants| Declared {
        groups: [("analysts".parse().unwrap(), BTreeSet::from(["alice".parse().unwrap()]))].into(),
        claimed_groups: BTreeSet::from(["engineering".parse().unwrap()]),
        grants,
        ..Declared::default()
    })
}

pub(crate) fn scope() -> impl Strategy<Value = TokenScope> {
    let entry = (actions(), target()).prop_map(|(may, on)| ScopeEntry { may, on });
    collection::vec(entry, 0..3).prop_map(TokenScope)
}

/// Anybody but an owner, with any claims and any scope.
pub(crate) fn identity() -> impl Strategy<Value = Identity> {
    let who = sample::select(vec!["alice", "bob", "mallory"]);
    let groups = sample::subsequence(vec!["analysts", "engineering", "unheard-of"], 0..=3);
    let standing = prop_oneof![9 => Just(Standing::Ordinary), 1 => Just(Standing::FirstAdmin)];
    (who, groups, option::weighted(0.3, scope()), standing).prop_map(
        |(who, groups, scope, standing)| Identity {
            groups: groups.into_iter().map(|group| group.parse().unwrap()).collect(),
            scope,
            standing,
            ..Identity::of(who.parse().unwrap())
        },
    )
}
