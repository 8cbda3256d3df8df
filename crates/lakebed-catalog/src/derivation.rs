//! Which datasets others were computed from.

use lakebed_core::DatasetName;

use crate::{
    Catalog, Error, Result, connection::Connection, event::saturate, projection::get_dataset,
    statement::query,
};

/// All of it that readers may see, by the event that said so first.
const ALL: &str = "SELECT d.namespace, d.name, i.namespace AS input_namespace, i.name AS input_name \
     FROM meta m JOIN derivations x ON x.seq <= m.journaled_seq \
     JOIN datasets d ON d.id = x.dataset_id JOIN datasets i ON i.id = x.input_id \
     WHERE m.id = 1 ORDER BY x.seq, x.input_id";

impl Catalog {
    /// Every dataset some version of which was computed from another, and that other; each pair once.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn derivations(&self) -> Result<Vec<(DatasetName, DatasetName)>> {
        let mut connection = self.connection().await?;
        let rows = query(ALL).fetch_all(&mut connection).await?;
        let pair = |row: &crate::connection::Row| {
            let name = |namespace, name| {
                DatasetName::new(&row.text(namespace)?, &row.text(name)?)
                    .map_err(|error| Error::damaged("the name of a dataset", error))
            };
            Ok((name("namespace", "name")?, name("input_namespace", "input_name")?))
        };
        rows.iter().map(pair).collect()
    }
}

/// Records what a version of `dataset_id` was computed from.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    dataset_id: i64,
    inputs: &[DatasetName],
) -> Result<()> {
    for input in inputs {
        let input_id = get_dataset(connection, input).await?;
        query(
            "INSERT INTO derivations (dataset_id, input_id, seq) VALUES ($1, $2, $3) \
             ON CONFLICT (dataset_id, input_id) DO NOTHING",
        )
        .bind(dataset_id)
        .bind(input_id)
        .bind(saturate(seq))
        .execute(connection)
        .await?;
    }
    Ok(())
}
