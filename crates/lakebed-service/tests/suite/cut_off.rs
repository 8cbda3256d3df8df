//! P4: a change that is cut off before, after and in the middle of every single write it makes, to the
//! store and to the catalog, leaves the lake as it was or as it was to be.

use std::sync::Arc;

use lakebed_service::{Lake, NoProbe, NoProgress, Result};
use lakebed_testkit::{
    CrashingProbe, TestLake,
    fault::{Fault, FaultBackend},
};

use crate::lineage::Toy;

/// A change, and what has to be left of it.
pub(crate) trait Change {
    /// What it is made in.
    type World;

    /// A world of its own, in which the change is still to be made.
    async fn world(&self) -> Self::World;

    /// The lake of that world.
    fn lake(world: &Self::World) -> &TestLake;

    /// Makes it. What it says is the same in every world.
    async fn make(&self, world: &Self::World, lake: &Lake) -> Result<String>;

    /// Holds the lake, as the next process finds it, against what it may be where `made` was on its way;
    /// then makes the change, if it is not made.
    async fn check(&self, world: &Self::World, lake: &Lake, made: &str, what: &str);
}

/// Cuts the change off everywhere, each time in a world of its own. Gives the names of the writes to
/// the store and of the points around those to the catalog.
pub(crate) async fn everywhere<C: Change>(change: &C) -> (Vec<String>, Vec<&'static str>) {
    let (made, writes, points) = undisturbed(change).await;
    for (point, name) in points.iter().enumerate() {
        let world = change.world().await;
        let probe = Arc::new(CrashingProbe::at_point(Some(point)));
        let lake = C::lake(&world).failing_with(Arc::new(Toy), |backend| backend, probe).await;
        cut_off(change, &world, lake.unwrap(), &made, name).await;
    }
    for (point, name) in writes.iter().enumerate() {
        for fault in Fault::ALL {
            let world = change.world().await;
            let arm = |backend| {
                let wrapped = FaultBackend::new(backend);
                wrapped.crash_at(point, fault);
                Arc::new(wrapped) as _
            };
            let lake = C::lake(&world).failing_with(Arc::new(Toy), arm, Arc::new(NoProbe)).await;
            let what = format!("{name}, {fault:?}");
            cut_off(change, &world, lake.unwrap(), &made, &what).await;
        }
    }
    (writes, points)
}

/// What the change makes when nothing goes wrong, and what it passes on its way.
async fn undisturbed<C: Change>(change: &C) -> (String, Vec<String>, Vec<&'static str>) {
    let world = change.world().await;
    let probe = Arc::new(CrashingProbe::at_point(None));
    let mut faults = None;
    let count = |backend| {
        let wrapped = FaultBackend::new(backend);
        faults = Some(wrapped.clone());
        Arc::new(wrapped) as _
    };
    let watched = Arc::clone(&probe) as _;
    let lake = C::lake(&world).failing_with(Arc::new(Toy), count, watched).await.unwrap();
    let made = change.make(&world, &lake).await.unwrap();
    // Closing writes what is on record, which is no part of the change.
    let passed = (made, faults.expect("wrapped").points(), probe.points());
    lake.close().await;
    passed
}

async fn cut_off<C: Change>(change: &C, world: &C::World, lake: Lake, made: &str, what: &str) {
    let outcome = change.make(world, &lake).await;
    assert!(outcome.is_err(), "{what}: a crash was not noticed: {outcome:?}");
    lake.close().await;
    let test = C::lake(world);
    let lake = test.reopen_with(Arc::new(Toy)).await.unwrap_or_else(|e| panic!("{what}: {e}"));
    change.check(world, &lake, made, what).await;
    check_whole(test, &lake, what).await;
    lake.close().await;
}

/// Every version that is listed is all there.
pub(crate) async fn check_whole(test: &TestLake, lake: &Lake, what: &str) {
    let report = lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    assert_eq!(report.findings, [], "{what}: something half-done is visible");
}
