//! Which contracts were measured on which versions. What was found is in an object.

use lakebed_core::{ContractMeasured, DatasetName, ObjectId, StoredObject};

use crate::{
    Catalog, Entity, Error, Result,
    connection::{Connection, Row},
    event::saturate,
    flaw::to_i64,
    object, object_dataset,
    projection::{find_dataset, get_dataset, require_object},
    statement::query,
};

/// A contract, measured on a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingsRecord {
    /// The event that says so.
    pub seq: u64,
    /// The contract, by the digest of its canonical text.
    pub contract: ObjectId,
    /// The rule engine that measured.
    pub engine: u32,
    /// What it found.
    pub findings: StoredObject,
}

/// Those of version `$3` of dataset `$1.$2` that readers may see, the newest first.
pub(crate) const OF_VERSION: &str = "SELECT f.seq, f.contract, f.engine, o.id, o.size_bytes, o.tree \
     FROM meta m JOIN datasets d ON d.namespace = $1 AND d.name = $2 \
     JOIN findings f ON f.dataset_id = d.id AND f.number = $3 AND f.seq <= m.journaled_seq \
     JOIN objects o ON o.id = f.object_id WHERE m.id = 1";

/// The same, above the mark too.
const NEWEST_OF_VERSION: &str = "SELECT f.seq, f.contract, f.engine, o.id, o.size_bytes, o.tree \
     FROM findings f JOIN objects o ON o.id = f.object_id \
     WHERE f.dataset_id = $1 AND f.number = $2";

impl Catalog {
    /// What was measured on a version, the newest first; empty where there is no such version.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn findings(
        &self,
        dataset: &DatasetName,
        number: u64,
    ) -> Result<Vec<FindingsRecord>> {
        let mut connection = self.connection().await?;
        let rows = query(OF_VERSION)
            .bind(dataset.namespace())
            .bind(dataset.name())
            .bind(saturate(number))
            .fetch_all(&mut connection)
            .await?;
        newest_first(&rows)
    }

    /// The same, above the journaled mark too: for planning.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Damaged`].
    pub async fn newest_findings(
        &self,
        dataset: &DatasetName,
        number: u64,
    ) -> Result<Vec<FindingsRecord>> {
        let mut connection = self.connection().await?;
        let Some((dataset_id, _)) = find_dataset(&mut connection, dataset).await? else {
            return Ok(Vec::new());
        };
        let rows = query(NEWEST_OF_VERSION)
            .bind(dataset_id)
            .bind(saturate(number))
            .fetch_all(&mut connection)
            .await?;
        newest_first(&rows)
    }
}

/// Records a measurement. The first by the same engine is the fact; another one changes nothing.
pub(crate) async fn insert(
    connection: &mut Connection,
    seq: u64,
    measured: &ContractMeasured,
) -> Result<()> {
    let dataset_id = get_dataset(connection, &measured.dataset).await?;
    let found = query("SELECT seq FROM versions WHERE dataset_id = $1 AND number = $2")
        .bind(dataset_id)
        .bind(saturate(measured.number))
        .fetch_optional(connection)
        .await?;
    if found.is_none() {
        let entity = Entity::Version(measured.dataset.clone(), measured.number);
        return Err(Error::NotFound { entity });
    }
    object::insert(connection, seq, &measured.objects).await?;
    for id in [measured.findings.id, measured.contract] {
        require_object(connection, seq, id).await?;
    }
    let named = measured.objects.iter().map(|object| object.id);
    let named = named.chain([measured.findings.id, measured.contract]);
    object_dataset::insert(connection, seq, &measured.dataset, named).await?;
    let int = |what, value| to_i64(what, value).map_err(|flaw| Error::invalid(seq, flaw));
    query(
        "INSERT INTO findings (dataset_id, number, contract, engine, object_id, seq) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (dataset_id, number, contract, engine) DO NOTHING",
    )
    .bind(dataset_id)
    .bind(int("the version number", measured.number)?)
    .bind(measured.contract)
    .bind(i64::from(measured.engine))
    .bind(measured.findings.id)
    .bind(saturate(seq))
    .execute(connection)
    .await?;
    Ok(())
}

/// Of a version there are few: they are sorted here.
fn newest_first(rows: &[Row]) -> Result<Vec<FindingsRecord>> {
    let mut found: Vec<FindingsRecord> = rows.iter().map(from_row).collect::<Result<_>>()?;
    found.sort_by_key(|record| std::cmp::Reverse(record.seq));
    Ok(found)
}

fn from_row(row: &Row) -> Result<FindingsRecord> {
    Ok(FindingsRecord {
        seq: row.number("seq")?,
        contract: row.digest("contract")?,
        engine: u32::try_from(row.number("engine")?)
            .map_err(|error| Error::damaged("the number of a rule engine", error))?,
        findings: object::from_row(row)?,
    })
}
