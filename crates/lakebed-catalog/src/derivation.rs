//! What was computed from what: datasets, and the versions of them.

use std::collections::BTreeSet;

use lakebed_core::{DatasetName, InputVersion};

use crate::{
    Catalog, Error, Result, VersionRecord,
    connection::Connection,
    event::saturate,
    flaw::{Flaw, to_i64},
    projection::get_dataset,
    statement::query,
    version::{self, version_columns, version_joins},
};

/// All of it that readers may see, by the event that said so first.
const ALL: &str = "SELECT d.namespace, d.name, i.namespace AS input_namespace, i.name AS input_name \
     FROM meta m JOIN derivations x ON x.seq <= m.journaled_seq \
     JOIN datasets d ON d.id = x.dataset_id JOIN datasets i ON i.id = x.input_id \
     WHERE m.id = 1 ORDER BY x.seq, x.input_id";

/// The versions that version `$3` of `$1.$2` was computed from.
pub(crate) const INPUTS: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM meta m JOIN datasets s ON s.namespace = $1 AND s.name = $2 \
     JOIN version_inputs x ON x.dataset_id = s.id AND x.number = $3 AND x.seq <= m.journaled_seq \
     JOIN versions v ON v.dataset_id = x.input_id AND v.number = x.input_number \
     JOIN datasets d ON d.id = v.dataset_id ",
    version_joins!(),
    " WHERE m.id = 1"
);

/// The versions that were computed from version `$3` of `$1.$2`.
pub(crate) const DERIVED: &str = concat!(
    "SELECT ",
    version_columns!(),
    " FROM meta m JOIN datasets s ON s.namespace = $1 AND s.name = $2 \
     JOIN version_inputs x ON x.input_id = s.id AND x.input_number = $3 AND x.seq <= m.journaled_seq \
     JOIN versions v ON v.dataset_id = x.dataset_id AND v.number = x.number \
     JOIN datasets d ON d.id = v.dataset_id ",
    version_joins!(),
    " WHERE m.id = 1"
);

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

    /// The versions that a version was computed from, by dataset and number; none of one that was not,
    /// or is not there.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn version_inputs(
        &self,
        dataset: &DatasetName,
        number: u64,
    ) -> Result<Vec<VersionRecord>> {
        self.related(INPUTS, dataset, number).await
    }

    /// The versions that were computed from a version, by dataset and number.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn derived_versions(
        &self,
        dataset: &DatasetName,
        number: u64,
    ) -> Result<Vec<VersionRecord>> {
        self.related(DERIVED, dataset, number).await
    }

    async fn related(
        &self,
        sql: &'static str,
        dataset: &DatasetName,
        number: u64,
    ) -> Result<Vec<VersionRecord>> {
        let mut connection = self.connection().await?;
        let rows = query(sql)
            .bind(dataset.namespace())
            .bind(dataset.name())
            .bind(saturate(number))
            .fetch_all(&mut connection)
            .await?;
        let mut found: Vec<VersionRecord> =
            rows.iter().map(version::from_row).collect::<Result<_>>()?;
        found.sort_by(|a, b| (&a.dataset, a.number).cmp(&(&b.dataset, b.number)));
        Ok(found)
    }
}

/// Records what version `number` of `dataset_id` was computed from.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    (dataset_id, number): (i64, u64),
    inputs: &[InputVersion],
) -> Result<()> {
    let names: BTreeSet<&DatasetName> = inputs.iter().map(|input| &input.dataset).collect();
    for name in names {
        let input_id = get_dataset(connection, name).await?;
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
    let number = to_i64("the version number", number).map_err(|flaw| Error::invalid(seq, flaw))?;
    for input in inputs {
        let input_id = get_dataset(connection, &input.dataset).await?;
        let input_number = get_number(connection, seq, input_id, input).await?;
        query(
            "INSERT INTO version_inputs (dataset_id, number, input_id, input_number, seq) \
             VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (dataset_id, number, input_id, input_number) DO NOTHING",
        )
        .bind(dataset_id)
        .bind(number)
        .bind(input_id)
        .bind(input_number)
        .bind(saturate(seq))
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// The number of a version that was committed before.
async fn get_number(
    connection: &mut Connection,
    seq: u64,
    dataset_id: i64,
    input: &InputVersion,
) -> Result<i64> {
    let found = query("SELECT number FROM versions WHERE dataset_id = $1 AND version_id = $2")
        .bind(dataset_id)
        .bind(input.version_id.object())
        .fetch_optional(connection)
        .await?;
    match found {
        Some(row) => Ok(saturate(row.number("number")?)),
        None => {
            let flaw = Flaw::InputUnknown { version_id: input.version_id };
            Err(Error::invalid(seq, flaw))
        }
    }
}
