//! Rows of a product for those who know no SQL: filters, an order and pages, as parameters.
//!
//! What is asked becomes one statement, which is answered like everybody's: under the asker's policies,
//! on record, in turn, within limits. Nothing here sees a row that the engine did not give out, and
//! nothing here knows of a column that the asker may not know of.

mod age;
mod cursor;
mod query;
mod question;
mod statement;
mod value;

use arrow::record_batch::RecordBatch;
use futures::{StreamExt as _, stream};
use lakebed_core::{
    DatasetName, DatasetRef, Product, Selector, Served, TablePart, TableSchema, contract::Contract,
};
use lakebed_govern::Rights;

pub(crate) use age::is_declared_anew;
pub use age::{Age, Staleness};
pub use query::QueryOfProduct;
pub(crate) use query::check_queries;
pub use value::has_values;

use self::{
    cursor::{Cursor, invalid_cursor, question},
    question::Words,
    statement::statement,
};
use crate::{
    Ctx, Error, Lake, NoticeRecord, QueryRequest, ResolvedVersion, Result, Snapshot,
    engine::{QueryLimits, QueryStream},
    resolve::RowsFound,
};

/// Bytes of values that a page may have, since it is held whole.
const MOST_BYTES: u64 = 64 << 20;

/// Which rows of which product.
#[derive(Debug, Clone)]
pub struct RowsRequest {
    /// The product.
    pub product: DatasetName,
    /// Names and values, as they were given: `question.rs` says what they mean.
    pub query: Vec<(String, String)>,
    /// What it may use.
    pub limits: QueryLimits,
}

/// A page of rows.
#[derive(Debug)]
pub struct RowsPage {
    /// The statement's id.
    pub statement_id: String,
    /// The snapshot that its version was resolved against.
    pub snapshot: Snapshot,
    /// The version.
    pub resolved: ResolvedVersion,
    /// How old it is.
    pub age: Age,
    /// That the product ends, or has ended.
    pub notice: Option<ProductNotice>,
    /// The rows, all of them here already.
    pub stream: QueryStream,
    /// The cursor of the page after it; none where this is the last.
    pub next: Option<String>,
}

/// The columns of a product, for those who ask for its rows.
#[derive(Debug, Clone)]
pub struct ProductShape {
    /// How it is declared.
    pub declared: Product,
    /// Its version.
    pub resolved: ResolvedVersion,
    /// The columns that the asker may know of.
    pub columns: TableSchema,
    /// What its contract says of them; none where there is none.
    pub contract: Option<Contract>,
    /// That it ends, or has ended.
    pub notice: Option<ProductNotice>,
}

/// That a product ends, or has ended.
#[derive(Debug, Clone)]
pub struct ProductNotice {
    /// What was said; what comes after it only for those who may know of that.
    pub record: NoticeRecord,
    /// Whether that is a product, too.
    pub is_followed_by_product: bool,
}

impl Lake {
    /// A page of a product's rows.
    ///
    /// A page costs what the sort of all rows before its end costs: the further behind, the more. Pages
    /// of one version cover each row once, whatever is written meanwhile; a policy that comes to hold
    /// between two of them holds from the next one on.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such product, or no such version of it, for the asker;
    /// [`Error::Invalid`] for what cannot be asked; else as [`Lake::query`].
    pub async fn rows(&self, ctx: &Ctx, request: RowsRequest) -> Result<RowsPage> {
        let (rights, product) = self.served_product(ctx, &request.product).await?;
        let words = Words::read(&request.query)?;
        let cursor = words.cursor.map(Cursor::parse).transpose()?;
        let selector = match &cursor {
            Some(cursor) => Selector::Number(cursor.version),
            None => words.selector.clone(),
        };
        let reference = DatasetRef { dataset: request.product.clone(), selector };
        let found = self.visible(ctx, &reference).await;
        let (resolved, columns) = match (found, &cursor) {
            (Ok(found), _) => found,
            (Err(Error::NotFound { .. }), Some(_)) => return Err(invalid_cursor()),
            (Err(error), _) => return Err(self.unbuilt(&request.product, &product, error).await?),
        };
        let asked = words.about(&columns.fields, &product.order_by)?;
        let digest = question(&request.product, &words.question, &columns.fields, &asked.order);
        let offset = match &cursor {
            None => 0,
            Some(cursor) => cursor.offset_in(&digest)?,
        };
        let limits = request.limits;
        let rows = words.limit.min(limits.max_rows.unwrap_or(u64::MAX)).max(1);
        let pinned = DatasetRef::pinned(request.product.clone(), resolved.version.number);
        // One more shows that there is another page.
        let (sql, parameters) = statement(&pinned, &asked, rows + 1, offset);
        let limits = QueryLimits {
            max_rows: None,
            max_bytes: Some(limits.max_bytes.unwrap_or(u64::MAX).min(MOST_BYTES)),
            ..limits
        };
        let answer = self.query(ctx, QueryRequest { sql, parameters, limits }).await?;
        let (stream, has_more) = whole(answer.stream, rows).await?;
        let resolved = answer.resolved.into_iter().next().unwrap_or(resolved);
        let age = match answer.age {
            Some(age) => age,
            None => self.age_of(&rights, &request.product, &product, &resolved.version).await?,
        };
        let next = Cursor::new(resolved.version.number, offset.saturating_add(rows), digest);
        Ok(RowsPage {
            statement_id: answer.statement_id,
            snapshot: answer.snapshot,
            age,
            notice: self.notice_of_product(ctx, &request.product).await?,
            resolved,
            stream,
            next: has_more.then(|| next.to_string()),
        })
    }

    /// What the newest version of a product looks like to the asker: the newest on record, where it is
    /// live and cannot be computed now. Queries that have no answer for the asker are left out.
    ///
    /// # Errors
    /// As [`Lake::rows`].
    pub async fn product_shape(&self, ctx: &Ctx, name: &DatasetName) -> Result<ProductShape> {
        let (rights, mut declared) = self.served_product(ctx, name).await?;
        let newest = DatasetRef { dataset: name.clone(), selector: Selector::Default };
        let (resolved, columns) = match self.visible(ctx, &newest).await {
            Err(Error::NotComputed { message, hint }) => match self.newest_number(name).await? {
                Some(number) => {
                    self.visible(ctx, &DatasetRef::pinned(name.clone(), number)).await?
                }
                None => return Err(Error::NotComputed { message, hint }),
            },
            Err(error) => return Err(self.unbuilt(name, &declared, error).await?),
            Ok(found) => found,
        };
        if !rights.reads(name) {
            for (query, asked) in std::mem::take(&mut declared.queries) {
                if self.has_answer(ctx, &asked).await? {
                    declared.queries.insert(query, asked);
                }
            }
        }
        let contract = self.in_force().await?.declared.contracts.get(name).cloned();
        let notice = self.notice_of_product(ctx, name).await?;
        Ok(ProductShape { declared, resolved, columns, contract, notice })
    }

    /// That a product ends, or has ended, as the asker may know it; none of one without versions.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub async fn notice_of_product(
        &self,
        ctx: &Ctx,
        name: &DatasetName,
    ) -> Result<Option<ProductNotice>> {
        let record = match self.dataset(ctx, name).await {
            Ok(found) => found.record.notice,
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(record) = record else { return Ok(None) };
        let is_followed_by_product = match &record.successor {
            Some(successor) => self.in_force().await?.declared.products.contains_key(successor),
            None => false,
        };
        Ok(Some(ProductNotice { record, is_followed_by_product }))
    }

    /// What is said instead of `error` of a product that has no version yet.
    async fn unbuilt(&self, name: &DatasetName, product: &Product, error: Error) -> Result<Error> {
        if !matches!(error, Error::NotFound { .. }) || self.newest_number(name).await?.is_some() {
            return Ok(error);
        }
        Ok(not_built(name, product))
    }

    async fn newest_number(&self, name: &DatasetName) -> Result<Option<u64>> {
        let state = self.inner.catalog.newest_state(name).await?;
        Ok(state.and_then(|state| state.newest).map(|newest| newest.number))
    }

    /// The product, for whoever may know of it.
    async fn served_product(&self, ctx: &Ctx, name: &DatasetName) -> Result<(Rights, Product)> {
        let rights = self.rights(ctx).await?;
        let in_force = self.in_force().await?;
        match in_force.declared.products.get(name) {
            Some(product) if rights.discovers(name) => Ok((rights, product.clone())),
            _ => Err(self.no_product(ctx, name).await?),
        }
    }

    /// The version, and what of its columns the asker may know.
    async fn visible(
        &self,
        ctx: &Ctx,
        reference: &DatasetRef,
    ) -> Result<(ResolvedVersion, TableSchema)> {
        let found = self.resolve_rows(ctx, std::slice::from_ref(reference)).await?;
        let RowsFound { resolution, in_force, .. } = found;
        let resolved = resolution.versions.into_iter().next().expect("one reference was resolved");
        let table = self.bind(ctx, &resolved, TablePart::Rows, &in_force).await?;
        let visible = table.restriction.visible(&table.schema);
        Ok((resolved, visible))
    }
}

/// What is said of a product that has no version yet, to whoever may know of it.
pub(crate) fn not_built(name: &DatasetName, product: &Product) -> Error {
    let hint = match product.served {
        Served::Materialized => {
            format!("`lakebed build {name}` builds it, by whoever may ingest into it")
        }
        Served::Live => "it is made when somebody asks for it who may read it".to_owned(),
    };
    let message = format!("`{name}` is declared, and was not built yet");
    Error::NotFound { message, hint: Some(hint) }
}

/// The first `rows` rows, once all are here; and whether there are more.
async fn whole(mut stream: QueryStream, rows: u64) -> Result<(QueryStream, bool)> {
    let mut batches: Vec<RecordBatch> = Vec::new();
    let mut room = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut has_more = false;
    while let Some(batch) = stream.batches.next().await {
        let batch = batch?;
        has_more |= batch.num_rows() > room;
        let kept = batch.num_rows().min(room);
        room -= kept;
        batches.push(batch.slice(0, kept));
    }
    stream.batches = stream::iter(batches.into_iter().map(Ok)).boxed();
    Ok((stream, has_more))
}
