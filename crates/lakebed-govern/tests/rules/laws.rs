//! Laws of the decision, over a small world in which everything can happen.

use std::collections::BTreeSet;

use lakebed_core::{Action, Declared, Identity, Standing, Target, Timestamp};
use lakebed_govern::{authorize, explain};
use proptest::prelude::*;

use crate::world::{NOW, action, declared, grant, identity, scope, target};

fn allows(identity: &Identity, declared: &Declared, action: Action, target: &Target) -> bool {
    authorize(identity, declared, action, target, NOW).is_granted()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What nobody granted is denied.
    #[test]
    fn the_default_is_no(identity in identity(), action in action(), target in target()) {
        let nothing = Declared::default();
        let is_first_admin = identity.standing == Standing::FirstAdmin && action == Action::Admin;
        prop_assert!(is_first_admin || !allows(&identity, &nothing, action, &target));
    }

    /// A grant more allows more or the same; a grant less allows less or the same.
    #[test]
    fn grants_only_add(
        identity in identity(), declared in declared(), more in grant(),
        action in action(), target in target(),
    ) {
        let mut larger = declared.clone();
        larger.grants.insert(more);
        prop_assert!(
            !allows(&identity, &declared, action, &target)
                || allows(&identity, &larger, action, &target)
        );
    }

    /// Any one of the grants decides alone; together they allow what one of them allows. So no
    /// order, no priority and no combination matters.
    #[test]
    fn grants_union(
        identity in identity(), declared in declared(), action in action(), target in target(),
    ) {
        let alone = |grants| Declared { grants, ..declared.clone() };
        let by_one = declared.grants.iter().any(|grant| {
            allows(&identity, &alone(BTreeSet::from([grant.clone()])), action, &target)
        });
        let by_none = allows(&identity, &alone(BTreeSet::new()), action, &target);
        prop_assert_eq!(allows(&identity, &declared, action, &target), by_one || by_none);
    }

    /// A credential with a scope does nothing that one without could not, and nothing outside it.
    #[test]
    fn a_scope_never_widens(
        identity in identity(), declared in declared(), scope in scope(),
        action in action(), target in target(),
    ) {
        let free = Identity { scope: None, ..identity.clone() };
        let scoped = identity.with_scope(scope.clone());
        let allowed = allows(&scoped, &declared, action, &target);
        let expected = allows(&free, &declared, action, &target) && scope.allows(action, &target);
        prop_assert_eq!(allowed, expected);
        let owner = Identity { standing: Standing::Owner, ..scoped };
        prop_assert_eq!(
            allows(&owner, &declared, action, &target), scope.allows(action, &target),
            "the owner's scoped credential, too"
        );
    }

    /// A grant whose last moment is past is as if it were not there.
    #[test]
    fn what_is_over_is_absent(
        identity in identity(), declared in declared(), ended in grant(), ago in 1..1_000_000_i64,
        action in action(), target in target(),
    ) {
        let mut with_ended = declared.clone();
        let until = Some(Timestamp::from_micros(NOW.as_micros() - ago));
        with_ended.grants.insert(lakebed_core::Grant { until, ..ended });
        prop_assert_eq!(
            allows(&identity, &with_ended, action, &target),
            allows(&identity, &declared, action, &target)
        );
    }

    /// However many grants of `admin` and `audit` somebody has, they see no data and no names.
    #[test]
    fn offices_give_no_sight_of_data(
        identity in identity(), mut declared in declared(), target in target(),
    ) {
        declared.grants = declared
            .grants
            .into_iter()
            .filter_map(|mut grant| {
                grant.may.retain(|action| matches!(action, Action::Admin | Action::Audit));
                (!grant.may.is_empty()).then_some(grant)
            })
            .collect();
        for sight in [Action::Discover, Action::Read, Action::Ingest, Action::Steward] {
            prop_assert!(!allows(&identity, &declared, sight, &target));
        }
    }

    /// Whoever may do something with data may know that it exists.
    #[test]
    fn nobody_works_in_the_dark(
        identity in identity(), declared in declared(), target in target(),
    ) {
        let identity = Identity { scope: None, ..identity };
        for hand in [Action::Read, Action::Ingest, Action::Steward, Action::Approve] {
            if allows(&identity, &declared, hand, &target) {
                prop_assert!(allows(&identity, &declared, Action::Discover, &target));
            }
        }
    }

    /// What is allowed on the whole is allowed on each part.
    #[test]
    fn the_whole_covers_its_parts(
        identity in identity(), declared in declared(), action in action(),
        outer in target(), inner in target(),
    ) {
        if outer.covers(&inner) && allows(&identity, &declared, action, &outer) {
            prop_assert!(allows(&identity, &declared, action, &inner));
        }
    }

    /// A claim to a group that is not listed changes nothing.
    #[test]
    fn unlisted_claims_are_nothing(
        identity in identity(), declared in declared(), action in action(), target in target(),
    ) {
        let mut quiet = identity.clone();
        quiet.groups.retain(|group| group.as_str() == "engineering");
        prop_assert_eq!(
            allows(&identity, &declared, action, &target),
            allows(&quiet, &declared, action, &target)
        );
    }

    /// The owner may do everything.
    #[test]
    fn the_owner_needs_no_grant(declared in declared(), action in action(), target in target()) {
        let owner = Identity::owner("local:alice".parse().unwrap());
        prop_assert!(allows(&owner, &declared, action, &target));
    }

    /// The explanation says what the decision is, and the grants it calls good are the ones that
    /// decide: without them, nothing but standing is left.
    #[test]
    fn an_explanation_is_the_decision(
        identity in identity(), declared in declared(), target in target(),
    ) {
        let explanation = explain(&identity, &declared, &target, NOW);
        prop_assert_eq!(explanation.grants.len(), declared.grants.len());
        for explained in &explanation.actions {
            let allowed = allows(&identity, &declared, explained.action, &target);
            prop_assert_eq!(explained.is_allowed, allowed);
        }
        let rest: BTreeSet<_> = explanation
            .grants
            .into_iter()
            .filter(|explained| explained.why_not.is_some())
            .map(|explained| explained.grant)
            .collect();
        let without = Declared { grants: rest, ..declared.clone() };
        let nothing = Declared { grants: BTreeSet::new(), ..declared };
        for action in Action::ALL {
            prop_assert_eq!(
                allows(&identity, &without, action, &target),
                allows(&identity, &nothing, action, &target)
            );
        }
    }

    /// A refusal says whether the thing may be known, and says so by names alone.
    #[test]
    fn a_refusal_knows_whether_it_may_be_told(
        identity in identity(), declared in declared(), action in action(), target in target(),
    ) {
        if let Err(denied) = authorize(&identity, &declared, action, &target, NOW).granted() {
            let knows = allows(&identity, &declared, Action::Discover, &target);
            prop_assert_eq!(denied.is_discoverable, knows || target == Target::Lake);
        }
    }
}
