//! What of a lake needs somebody: datasets that nobody answers for, that nobody described, that nobody
//! reads, that cannot be computed any more, and that are older than they could be or were promised to be.
//!
//! It is about the datasets that the asker may query or is steward of, and tells of no other: what a
//! product is made of counts as far as they may know of it.

use std::collections::BTreeSet;

use lakebed_contract::is_ahead;
use lakebed_core::{Action, DatasetName, Product, Served, Target, contract::Contract};

use crate::{
    Ctx, DatasetRecord, Lake, Result, Seen, VersionRecord, lineage::Sees, rows::is_declared_anew,
};

/// How many names a text lists at most.
const NAMED: usize = 5;
const SECOND_MICROS: i64 = 1_000_000;

/// What needs somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was found, by dataset.
    pub findings: Vec<ReportFinding>,
    /// How many datasets it is about.
    pub dataset_count: u64,
    /// Whether it says what nobody reads: that takes the right to `audit` the lake.
    pub knows_reads: bool,
}

/// Something about one dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportFinding {
    /// The dataset.
    pub dataset: DatasetName,
    /// What it is.
    pub kind: ReportKind,
    /// More of it, for people.
    pub detail: String,
}

/// What can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReportKind {
    /// Nobody answers for it.
    Ownerless,
    /// It, or some of its columns, are not described.
    Undocumented,
    /// It is a product, and cannot be computed any more of what is there now.
    Broken,
    /// It is a product, and declared anew since, or what it is made of has newer heads.
    Stale,
    /// It is older than its contract allows.
    Late,
    /// Nobody read it in the last 90 days.
    Unread,
}

impl ReportKind {
    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ownerless => "ownerless",
            Self::Undocumented => "undocumented",
            Self::Broken => "broken",
            Self::Stale => "stale",
            Self::Late => "late",
            Self::Unread => "unread",
        }
    }
}

/// A dataset, and what is declared of it.
struct Subject<'a> {
    record: &'a DatasetRecord,
    contract: Option<&'a Contract>,
    product: Option<&'a Product>,
}

impl Lake {
    /// What needs somebody, among the datasets that the asker may query or is steward of.
    ///
    /// # Errors
    /// When the catalog, the record of reads or an object cannot be read.
    pub async fn report(&self, ctx: &Ctx) -> Result<Report> {
        let (_, datasets) = self.datasets(ctx, None).await?;
        let in_force = self.in_force().await?;
        let mut sees = Sees::of(self, ctx).await?;
        let knows_reads = sees.rights.allows(Action::Audit, &Target::Lake);
        let read = match knows_reads {
            true => self.read_lately().await?,
            false => BTreeSet::new(),
        };
        let mut report = Report { findings: Vec::new(), dataset_count: 0, knows_reads };
        for Seen { record, .. } in datasets {
            let on = Target::Dataset(record.name.clone());
            if !sees.rights.queries(&record.name) && !sees.rights.allows(Action::Steward, &on) {
                continue;
            }
            report.dataset_count += 1;
            let subject = Subject {
                record: &record,
                contract: in_force.declared.contracts.get(&record.name),
                product: in_force.declared.products.get(&record.name),
            };
            let mut found = self.look_at(&mut sees, &subject).await?;
            if knows_reads && record.newest.is_some() && !read.contains(&record.name) {
                found.push((ReportKind::Unread, "nobody read it in the last 90 days".to_owned()));
            }
            let dataset = &record.name;
            report.findings.extend(found.into_iter().map(|(kind, detail)| ReportFinding {
                dataset: dataset.clone(),
                kind,
                detail,
            }));
        }
        Ok(report)
    }

    async fn look_at(
        &self,
        sees: &mut Sees<'_>,
        subject: &Subject<'_>,
    ) -> Result<Vec<(ReportKind, String)>> {
        let mut found = Vec::new();
        let has_owner = subject.contract.is_some_and(|contract| !contract.owners.is_empty());
        if !has_owner && subject.product.is_none() {
            found.push((ReportKind::Ownerless, "no contract names an owner".to_owned()));
        }
        if let Some(detail) = self.undocumented(sees, subject).await? {
            found.push((ReportKind::Undocumented, detail));
        }
        let Some(newest) = &subject.record.newest else { return Ok(found) };
        if let Some(product) = subject.product
            && self.declared_lineage(product).await?.is_none()
        {
            // Why tells of what it is made of: whoever may know that is told when they ask for its rows.
            let detail = match product.served {
                Served::Live => "it is served live, and cannot be computed now: nobody can read it",
                _ => "it cannot be built any more of what is there now",
            };
            found.push((ReportKind::Broken, detail.to_owned()));
        } else if let Some(product) = subject.product
            && let Some(detail) = self.stale(sees, product, newest).await?
        {
            found.push((ReportKind::Stale, detail));
        }
        if let Some(contract) = subject.contract
            && sees.rights.reads(&newest.dataset)
            && let Some(detail) = self.late(contract, newest).await?
        {
            found.push((ReportKind::Late, detail));
        }
        Ok(found)
    }

    async fn undocumented(
        &self,
        sees: &mut Sees<'_>,
        subject: &Subject<'_>,
    ) -> Result<Option<String>> {
        let Some(contract) = subject.contract else {
            return Ok(match subject.product {
                Some(_) => {
                    Some("it has a purpose, but no contract that describes columns".to_owned())
                }
                None => Some("there is no contract".to_owned()),
            });
        };
        let is_said = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
        let mut silent = Vec::new();
        if !is_said(contract.description.as_deref()) && subject.product.is_none() {
            silent.push("the dataset".to_owned());
        }
        for name in self.columns_told(sees, subject.record.newest.as_ref()).await? {
            let column = contract.columns.iter().find(|column| column.column() == name);
            if !is_said(column.and_then(|column| column.description.as_deref())) {
                silent.push(format!("`{name}`"));
            }
        }
        Ok((!silent.is_empty())
            .then(|| format!("the contract does not describe {}", listed(&silent))))
    }

    /// The columns of a version that the asker may know of, in order.
    async fn columns_told(
        &self,
        sees: &mut Sees<'_>,
        version: Option<&VersionRecord>,
    ) -> Result<Vec<String>> {
        let Some(version) = version else { return Ok(Vec::new()) };
        let manifest = self.inner.cache.manifest(&self.inner.store, version).await?;
        let columns = sees.columns(version).await?;
        let fields = manifest.schema.iter().flat_map(|schema| &schema.fields);
        Ok(fields.map(|field| field.name.clone()).filter(|name| columns.has(name)).collect())
    }

    /// What a product would be made of now, where that is not what it was made of. Only what the asker
    /// may know of counts, and only where they may know what it was made of.
    async fn stale(
        &self,
        sees: &Sees<'_>,
        product: &Product,
        newest: &VersionRecord,
    ) -> Result<Option<String>> {
        if product.served == Served::Live {
            // Whoever reads it sees what is now.
            return Ok(None);
        }
        let name = &newest.dataset;
        let (store, cache) = (&self.inner.store, &self.inner.cache);
        let manifest = cache.manifest(store, newest).await?;
        if !sees.rights.queries(name) {
            return Ok(None);
        }
        let is_told = self.is_told(&sees.rights, name, product);
        let Some(object) = &manifest.derivation else {
            let never = "its newest version was not made by its statement";
            return Ok(is_told.then(|| never.to_owned()));
        };
        let derivation = cache.derivation(store, object).await?;
        if is_told && is_declared_anew(product, Some(&derivation)) {
            return Ok(Some("its statement, or its order, is another one by now".to_owned()));
        }
        let moved = self.moved_inputs(&sees.rights, &derivation, product).await?.moved;
        let newer: BTreeSet<String> = moved
            .iter()
            .map(|now| format!("`{}` is v{} by now", now.dataset, now.number))
            .collect();
        let newer: Vec<String> = newer.into_iter().collect();
        Ok((!newer.is_empty()).then(|| listed(&newer)))
    }

    /// What the contract promises of the data's age, where that is not kept.
    async fn late(&self, contract: &Contract, newest: &VersionRecord) -> Result<Option<String>> {
        if contract.freshness.is_empty() {
            return Ok(None);
        }
        let manifest = self.inner.cache.manifest(&self.inner.store, newest).await?;
        let measured = self.report_of(newest, &manifest).await?;
        let now = self.inner.clock.now().as_micros();
        let mut missed = Vec::new();
        for promise in &contract.freshness {
            let at = match &promise.column {
                None => Some(newest.at),
                Some(_) => measured
                    .as_ref()
                    .and_then(|report| report.findings.newest.get(&promise.id).copied()),
            };
            let Some(at) = at else { continue };
            if is_ahead(at, self.inner.clock.now()) {
                missed.push(format!("`{}`: its newest value lies in the future", promise.id));
                continue;
            }
            let age = u64::try_from((now - at.as_micros()) / SECOND_MICROS).unwrap_or_default();
            if age > promise.max_age_seconds {
                missed.push(format!(
                    "`{}`: {age} s old, {} s are promised",
                    promise.id, promise.max_age_seconds
                ));
            }
        }
        Ok((!missed.is_empty()).then(|| listed(&missed)))
    }

    async fn read_lately(&self) -> Result<BTreeSet<DatasetName>> {
        let reads = self.recent_reads().await?;
        Ok(reads.iter().flat_map(|read| read.datasets().cloned()).collect())
    }
}

/// The first few, and how many more there are.
fn listed(texts: &[String]) -> String {
    let shown = texts.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match texts.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
