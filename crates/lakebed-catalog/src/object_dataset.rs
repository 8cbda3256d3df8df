//! Which datasets name an object: who may read one of them may read the object.
//!
//! The same bytes may be in many datasets, of which a reader may know only some.

use std::collections::BTreeSet;

use lakebed_core::{DatasetName, ObjectId};

use crate::{
    Catalog, Error, Result,
    connection::Connection,
    event::saturate,
    flaw::Flaw,
    object,
    statement::{Statement, query},
};

/// Objects per statement: well below the databases' limits on bound values.
const CHUNK: usize = 500;

/// The datasets of `$1` that readers may know of.
pub(crate) const OF_OBJECT: &str = "SELECT n.namespace, n.name FROM meta m \
     JOIN object_datasets n ON n.object_id = $1 AND n.seq <= m.journaled_seq WHERE m.id = 1";

impl Catalog {
    /// The datasets whose versions or refused ingests name the object, at the journaled mark.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn datasets_of_object(&self, id: ObjectId) -> Result<Vec<DatasetName>> {
        let mut connection = self.connection().await?;
        let rows = query(OF_OBJECT).bind(id).fetch_all(&mut connection).await?;
        let name = |row: &crate::connection::Row| {
            DatasetName::new(&row.text("namespace")?, &row.text("name")?)
                .map_err(|error| Error::damaged("the name of a dataset", error))
        };
        rows.iter().map(name).collect()
    }

    /// Those of `ids` that an event of `dataset` named, above the mark too: for planning.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn objects_of_dataset(
        &self,
        dataset: &DatasetName,
        ids: &[ObjectId],
    ) -> Result<BTreeSet<ObjectId>> {
        let mut connection = self.connection().await?;
        let mut found = BTreeSet::new();
        for chunk in ids.chunks(CHUNK) {
            let mut query = Statement::one_off(
                "SELECT n.object_id FROM object_datasets n WHERE n.namespace = ",
            );
            query.push_bind(dataset.namespace()).push(" AND n.name = ");
            query.push_bind(dataset.name()).push(" AND n.object_id IN (");
            for (index, id) in chunk.iter().enumerate() {
                query.push(if index == 0 { "" } else { ", " }).push_bind(*id);
            }
            query.push(")");
            for row in query.fetch_all(&mut connection).await? {
                found.insert(row.digest("object_id")?);
            }
        }
        Ok(found)
    }
}

/// Records that `dataset` names `ids`, which are recorded objects. Naming one again is no error.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    dataset: &DatasetName,
    ids: impl Iterator<Item = ObjectId>,
) -> Result<()> {
    let ids: Vec<ObjectId> = ids.collect::<BTreeSet<_>>().into_iter().collect();
    for chunk in ids.chunks(CHUNK) {
        let mut query = Statement::one_off(
            "INSERT INTO object_datasets (object_id, namespace, name, seq) VALUES ",
        );
        for (index, id) in chunk.iter().enumerate() {
            query.push(if index == 0 { "(" } else { ", (" }).push_bind(*id);
            query.push(", ").push_bind(dataset.namespace());
            query.push(", ").push_bind(dataset.name());
            query.push(", ").push_bind(saturate(seq)).push(")");
        }
        query.push(" ON CONFLICT (object_id, namespace, name) DO NOTHING");
        query.execute(connection).await?;
    }
    Ok(())
}

/// Refuses an event that shares what nobody recorded.
pub(crate) async fn require(
    connection: &mut Connection,
    seq: u64,
    shared: &[ObjectId],
) -> Result<()> {
    for id in shared {
        if !object::is_recorded(connection, *id).await? {
            return Err(Error::invalid(seq, Flaw::ObjectUnknown { object: *id }));
        }
    }
    Ok(())
}
