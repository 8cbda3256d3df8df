//! Promotions: committed against just what they were decided from.

use lakebed_catalog::{Catalog, Entity, Error};
use lakebed_core::{
    CatalogApplied, DatasetDeprecated, Declared, EventBody, GateName, HeadMoved, ObjectId,
    Promotion, PromotionReviewed, ReviewVerdict,
};

use crate::{databases::Databases, world::*};

fn promoted(dataset: &str, from: Option<u64>, to: u64) -> (HeadMoved, Promotion) {
    let promotion = Promotion {
        version_id: id(dataset, to),
        contract: None,
        declared: None,
        replaces: None,
        last_review: None,
        last_notice: None,
        evidence: ObjectId::of(b"evidence"),
        gates: Vec::new(),
        approvals: Vec::new(),
        self_approved: false,
        goes_back: false,
    };
    let EventBody::HeadMoved(moved) = moved(dataset, "product", from, to) else { unreachable!() };
    (moved, promotion)
}

fn body((moved, promotion): (HeadMoved, Promotion)) -> EventBody {
    EventBody::HeadMoved(HeadMoved { promotion: Some(Box::new(promotion)), ..moved })
}

fn reviewed(dataset: &str, number: u64, verdict: ReviewVerdict) -> EventBody {
    EventBody::PromotionReviewed(PromotionReviewed {
        dataset: name(dataset),
        number,
        stage: stage("product"),
        verdict,
        evidence: ObjectId::of(b"evidence"),
        reason: Some("because".to_owned()),
    })
}

fn deprecated(dataset: &str, successor: Option<&str>) -> EventBody {
    let (sunset_at, successor) = (at(9), successor.map(name));
    EventBody::DatasetDeprecated(DatasetDeprecated { dataset: name(dataset), sunset_at, successor })
}

/// What the next commit of a promotion of `a.x` meets.
async fn refused(catalog: &Catalog, change: impl FnOnce(&mut HeadMoved, &mut Promotion)) -> Error {
    let (mut moved, mut promotion) = promoted("a.x", None, 1);
    change(&mut moved, &mut promotion);
    let before = catalog.export().await.unwrap();
    let error = try_commit(catalog, 9, vec![body((moved, promotion))]).await.unwrap_err();
    assert_eq!(catalog.export().await.unwrap(), before);
    error
}

fn entity(error: Error) -> Entity {
    match error {
        Error::Conflict { entity, .. } => entity,
        error => panic!("{error:?}"),
    }
}

pub(crate) async fn a_promotion_holds_against_what_it_was_decided_from(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1), version("a.x", 2)]).await;
    let error = refused(&catalog, |_, promotion| promotion.version_id = id("a.x", 2)).await;
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    let other = Some(ObjectId::of(b"other"));
    let error = refused(&catalog, |_, promotion| promotion.declared = other).await;
    assert_eq!(entity(error), Entity::Declared);
    let error = refused(&catalog, |_, promotion| promotion.replaces = Some(1)).await;
    assert_eq!(entity(error), Entity::Head(name("a.x"), stage("product")));
    let error = refused(&catalog, |_, promotion| promotion.contract = other).await;
    assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
    publish(&catalog, 2, vec![reviewed("a.x", 1, ReviewVerdict::Approved)]).await;
    let error = refused(&catalog, |_, _| {}).await;
    assert_eq!(entity(error), Entity::Reviews(name("a.x"), 1));
    publish(&catalog, 3, vec![deprecated("a.x", None)]).await;
    let error = refused(&catalog, |_, promotion| promotion.last_review = Some(4)).await;
    assert_eq!(entity(error), Entity::Notice(name("a.x")));
    let declared = Declared::default();
    let digest = declared.digest();
    let applied = CatalogApplied {
        previous: None,
        digest,
        declared,
        known_fields: [].into(),
        mask_key: None,
    };
    publish(&catalog, 4, vec![EventBody::CatalogApplied(applied)]).await;
    let (mut moved, mut promotion) = promoted("a.x", None, 1);
    promotion.last_review = Some(4);
    promotion.last_notice = Some(5);
    promotion.declared = Some(digest);
    let contract = object("contract", 50);
    promotion.contract = Some(contract.id);
    moved.objects = vec![contract];
    publish(&catalog, 5, vec![body((moved, promotion))]).await;
    let state = catalog.promotion_state(&[(name("a.x"), 1)], &stage("product")).await.unwrap();
    let head = state.versions[0].head.unwrap();
    assert_eq!((head.number, head.seq, head.contract), (1, 7, Some(contract.id)));
    assert_eq!(state.last_seq, 7);
    // There and back again is another head.
    publish(&catalog, 6, vec![moved_back("a.x", 1, 2), moved_back("a.x", 2, 1)]).await;
    let (moved, mut promotion) = promoted("a.x", Some(1), 2);
    promotion.declared = Some(digest);
    promotion.last_notice = Some(5);
    promotion.replaces = Some(7);
    let error = try_commit(&catalog, 7, vec![body((moved, promotion))]).await.unwrap_err();
    assert_eq!(entity(error), Entity::Head(name("a.x"), stage("product")));
}

fn moved_back(dataset: &str, from: u64, to: u64) -> EventBody {
    moved(dataset, "product", Some(from), to)
}

pub(crate) async fn what_was_said_is_found_again(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1), created("a.y")]).await;
    let waived = ReviewVerdict::Waived(GateName::Fresh);
    publish(&catalog, 2, vec![reviewed("a.x", 1, waived)]).await;
    commit(&catalog, 3, vec![reviewed("a.x", 1, ReviewVerdict::Rejected)]).await;
    commit(&catalog, 4, vec![deprecated("a.x", Some("a.y"))]).await;
    let state = catalog.promotion_state(&[(name("a.x"), 1)], &stage("product")).await.unwrap();
    let [version] = &state.versions[..] else { panic!("{state:?}") };
    let said: Vec<_> = version.reviews.iter().map(|review| (review.seq, review.verdict)).collect();
    assert_eq!(said, [(4, waived), (5, ReviewVerdict::Rejected)]);
    assert_eq!(version.notice.as_ref().unwrap().sunset_at, Some(at(9)));
    // Readers wait for the mark.
    assert_eq!(catalog.reviews(&name("a.x"), 1).await.unwrap().len(), 1);
    assert_eq!(catalog.find_dataset(&name("a.x")).await.unwrap().unwrap().notice, None);
    journal(&catalog).await;
    assert_eq!(catalog.reviews(&name("a.x"), 1).await.unwrap().len(), 2);
    publish(&catalog, 5, vec![EventBody::DatasetRetired { dataset: name("a.x") }]).await;
    let notice = catalog.find_dataset(&name("a.x")).await.unwrap().unwrap().notice.unwrap();
    assert_eq!((notice.sunset_at, notice.successor), (None, Some(name("a.y"))));
    for missing in [reviewed("a.x", 2, waived), deprecated("a.z", None)] {
        let error = try_commit(&catalog, 6, vec![missing]).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error:?}");
    }
}

pub(crate) async fn a_version_knows_the_stages_it_came_to(databases: &Databases) {
    let catalog = databases.open("a").await;
    publish(&catalog, 1, vec![created("a.x"), version("a.x", 1), version("a.x", 2)]).await;
    publish(&catalog, 2, vec![moved("a.x", "product", None, 1)]).await;
    commit(&catalog, 3, vec![moved("a.x", "product", Some(1), 2)]).await;
    for number in [1, 2] {
        let found = catalog.find_reached(&name("a.x"), id("a.x", number)).await.unwrap().unwrap();
        assert_eq!(found.number, number);
        assert_eq!(found.reached, [stage("product"), stage("raw")].into());
    }
    assert_eq!(catalog.find_reached(&name("a.x"), id("a.x", 3)).await.unwrap(), None);
    assert_eq!(catalog.find_reached(&name("a.y"), id("a.x", 1)).await.unwrap(), None);
}
