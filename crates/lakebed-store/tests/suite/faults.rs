//! Requests that break off and processes that die: what is there afterwards is whole, or healed.

use bytes::Bytes;
use lakebed_core::StoredObject;
use lakebed_store::{Created, Error, Result, Trust};
use lakebed_testkit::fault::Fault;

use crate::lake::{GROUP, Lake, bytes};

const KEY: &str = "journal/000000000001.json";

/// Clients of object stores do not look after a request that broke off; a journal must.
pub(crate) async fn a_create_that_broke_off_is_looked_at(lake: Lake) {
    let ours = Bytes::from("ours");
    lake.faults.fail_at(0, Fault::Before);
    let created = lake.store.create(KEY, ours.clone()).await;
    assert!(matches!(created, Err(Error::Unavailable { .. })), "we could not tell");
    assert_eq!(lake.store.read(KEY).await.unwrap(), None);

    lake.faults.revive();
    lake.faults.fail_at(0, Fault::After);
    assert_eq!(lake.store.create(KEY, ours.clone()).await.unwrap(), Created::New);

    lake.faults.revive();
    lake.faults.fail_at(0, Fault::After);
    assert_eq!(lake.store.create(KEY, "theirs".into()).await.unwrap(), Created::Existed);
    assert_eq!(lake.store.read(KEY).await.unwrap().unwrap(), ours);

    lake.faults.revive();
    lake.faults.fail_at(0, Fault::Torn);
    let torn = lake.store.create("journal/2.json", "12345678".into()).await.unwrap();
    assert_eq!(torn, Created::Existed, "what is there is not what we wanted");
}

pub(crate) async fn a_put_that_broke_off_is_looked_at(lake: Lake) {
    for (length, point) in [(1000, 0), (2 * GROUP + 1, 0), (2 * GROUP + 1, 1)] {
        for fault in Fault::ALL {
            let bytes = bytes(length + fault as usize + 10 * point);
            lake.faults.revive();
            lake.faults.fail_at(point, fault);
            let put = lake.store.put(bytes.clone(), Trust::Unnamed).await;
            match fault {
                Fault::Before => assert!(matches!(put, Err(Error::Unavailable { .. }))),
                Fault::After | Fault::Torn => {
                    assert!(lake.newcomer().get(&put.unwrap()).await.unwrap() == bytes);
                }
            }
        }
    }
}

/// P4: whatever write the process dies at, readers find whole objects, damage or nothing; and
/// storing the same again heals.
pub(crate) async fn a_crash_at_any_write_leaves_no_lie(lake: Lake) {
    let contents = [bytes(77), bytes(3 * GROUP + 7), bytes(GROUP + 1)];
    let objects = lake.store_all(&contents).await.unwrap();
    let points = lake.faults.points();
    assert_eq!(points.len(), 6, "three objects, two trees, one file: {points:?}");

    for point in 0..points.len() {
        for fault in Fault::ALL {
            let lake = lake.empty_twin().await;
            lake.faults.crash_at(point, fault);
            let died = lake.store_all(&contents).await;
            assert!(died.is_err() && lake.faults.is_crashed(), "{}", points[point]);
            lake.faults.revive();
            for (object, bytes) in objects.iter().zip(&contents) {
                match lake.newcomer().get(object).await {
                    Ok(read) => assert!(read == bytes),
                    Err(Error::NotFound { .. } | Error::Corrupt { .. }) => {}
                    Err(other) => panic!("{other}"),
                }
            }
            let told = lake.store.read(KEY).await.unwrap();
            assert!(told.is_none() || point == points.len() - 1, "the last write is the last");
            lake.store_all(&contents).await.unwrap();
            for object in &objects {
                lake.newcomer().verify(object).await.unwrap();
            }
        }
    }
}

impl Lake {
    async fn store_all(&self, contents: &[Bytes]) -> Result<Vec<StoredObject>> {
        let mut objects = Vec::new();
        for bytes in contents {
            let pieces = futures::stream::iter([Ok(bytes.clone())]);
            let staged = self.store.stage_stream(pieces).await?;
            objects.push(self.store.publish(&staged, Trust::Unnamed).await?);
        }
        self.store.create(KEY, "names them all".into()).await?;
        Ok(objects)
    }
}
