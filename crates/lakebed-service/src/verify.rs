//! Everything is read and hashed again, and every row counted again.
//!
//! Four questions: are the journal and the records of reads whole, chained and those of the database; is every object of every version what its name
//! says (P3); do text sources still decode to the rows and bytes their version states (P6); do
//! Parquet files hold the rows they are listed with. Findings name dataset, versions and object.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet, btree_map::Entry},
    path::Path,
    sync::Arc,
};

use futures::{StreamExt as _, stream};
use lakebed_catalog::DatasetFilter;
use lakebed_contract::decode_type;
use lakebed_core::{
    Action, DataType, DatasetName, DatasetRef, Decode, EndedRun, Field, FileEntry, ObjectId,
    SourceEntry, StoredObject, TableSchema, Tally, Target, VersionId,
    contract::{Check, Contract},
};
use lakebed_govern::Rights;
use lakebed_ingest::{
    ContractRules, LocalSource, QuarantineError, QuarantineReader, Recount, Refusal, Rules as _,
};

use crate::{
    ChainSegment, Ctx, Error, Lake, Link as _, NoProgress, ProgressSink, Result, SegmentBytes,
    VersionRecord,
    access::{self, check_reads, refused, restricted},
    ingest::blocking,
    journal::{Chain, Events, Reads},
    progress::Meter,
    rebuild::last_segment,
};

/// How many objects are read at once.
const AT_ONCE: usize = 4;
/// How many versions are read from the catalog at once.
const PAGE: u32 = 1000;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Versions whose objects were read.
    pub versions: u64,
    /// Objects that were read; each once, however many versions share it.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Journal segments that were read; 0 when only some references were asked for.
    pub segments: u64,
    /// What is wrong; nothing when empty.
    pub findings: Vec<VerifyFinding>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFinding {
    /// The dataset it touches; none for the journal.
    pub dataset: Option<DatasetName>,
    /// The versions of it that it touches, ascending.
    pub versions: Vec<u64>,
    /// The object, where it is one and the asker may read it.
    pub object: Option<ObjectId>,
    /// Its role: `manifest`, `table file`, `source` …
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

/// An object, what it is, and who needs it.
struct Wanted {
    object: StoredObject,
    what: &'static str,
    /// Versions by dataset; what no version needs is under none.
    users: BTreeMap<Option<DatasetName>, BTreeSet<u64>>,
}

/// A source, and the version that was made of it.
struct Read {
    version: VersionRecord,
    source: SourceEntry,
    schema: Option<TableSchema>,
    /// The files with the version's quarantine.
    quarantine: Vec<FileEntry>,
    /// Whether another source of the version has the same name.
    shares_name: bool,
}

/// By version and contract: by source, rows that are set aside for what no row breaks by itself.
type LateRows = BTreeMap<(VersionId, ObjectId), BTreeMap<String, u64>>;

#[derive(Default)]
struct Scope {
    objects: BTreeMap<ObjectId, Wanted>,
    /// Text sources by bytes and reading; the same reading of the same bytes is counted once.
    sources: Vec<Read>,
    counted: HashSet<(ObjectId, Option<Decode>, Option<ObjectId>)>,
    files: BTreeMap<ObjectId, u64>,
    /// Profiles, and the rows they are of.
    profiles: BTreeMap<ObjectId, u64>,
}

impl Lake {
    /// Reads everything again, or what the versions of `scope` are made of.
    ///
    /// Everything is for whoever may `audit` or `admin` the lake, who learn which versions are
    /// damaged but no digest; some versions also for whoever may read them.
    ///
    /// # Errors
    /// When the catalog or the store cannot be reached; damage is a finding, not an error.
    /// [`Error::Forbidden`], [`Error::NotFound`].
    pub async fn verify(
        &self,
        ctx: &Ctx,
        scope: &[DatasetRef],
        progress: Arc<dyn ProgressSink>,
    ) -> Result<VerifyReport> {
        let rights = self.rights(ctx).await?;
        check_verifies(&rights, scope)?;
        let meter = Arc::new(Meter::new(progress));
        let _stop_workers = meter.cancel_on_drop();
        let mut report = VerifyReport::default();
        let versions = match scope {
            [] => {
                report.segments = self.verify_chain::<Events>(&mut report).await?;
                self.inner.reads.publish().await?;
                // A database that was made again knows of no read before somebody reads.
                self.inner.reads.follow_segments().await?;
                // These are not counted: reading on record adds to them.
                self.verify_chain::<Reads>(&mut report).await?;
                self.all_versions().await?
            }
            some => {
                let found = self.resolve_unasked(some).await?;
                found.versions.into_iter().map(|resolved| resolved.version).collect()
            }
        };
        report.versions = versions.len() as u64;
        let mut wanted = Scope::default();
        for version in &versions {
            self.collect(version, &mut wanted, &mut report).await?;
        }
        if scope.is_empty() {
            self.collect_runs(&mut wanted).await?;
        }
        let damaged = self.verify_objects(&wanted, &meter, &mut report).await?;
        self.verify_counts(&wanted, &damaged, &meter, &mut report).await?;
        report.findings.sort_by(|a, b| (&a.dataset, &a.versions).cmp(&(&b.dataset, &b.versions)));
        for finding in &mut report.findings {
            finding.hide_digests(&rights);
        }
        Ok(report)
    }

    /// Reads every byte of one version again; what is not what its name says, a sentence each.
    pub(crate) async fn reread(&self, version: &VersionRecord) -> Result<Vec<String>> {
        let meter = Arc::new(Meter::new(Arc::new(NoProgress)));
        let (mut report, mut scope) = (VerifyReport::default(), Scope::default());
        self.collect(version, &mut scope, &mut report).await?;
        self.verify_objects(&scope, &meter, &mut report).await?;
        let told = |finding: VerifyFinding| format!("{}: {}", finding.what, finding.problem);
        let mut damage: Vec<String> = report.findings.into_iter().map(told).collect();
        damage.sort();
        damage.dedup();
        Ok(damage)
    }

    /// Every version of every dataset.
    pub(crate) async fn all_versions(&self) -> Result<Vec<VersionRecord>> {
        let mut versions = Vec::new();
        let (_, datasets) = self.inner.catalog.datasets(&DatasetFilter::default()).await?;
        for dataset in datasets {
            let mut before = None;
            loop {
                let page = self.inner.catalog.history(&dataset.name, before, PAGE).await?;
                let Some(last) = page.last() else { break };
                before = Some(last.number);
                versions.extend(page);
            }
        }
        Ok(versions)
    }

    /// Notes what is kept of runs, with the versions that they made, if they made any. A record that cannot be read is
    /// found to be damaged where objects are read.
    async fn collect_runs(&self, scope: &mut Scope) -> Result<()> {
        let mut before = None;
        loop {
            let page = self.inner.catalog.ended_runs(before, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            before = Some(last.seq);
            for event in page {
                let Some(run) = event.body.ended_run() else { continue };
                let log = match self.run_record(&run.record()).await {
                    Ok(record) => record.log,
                    Err(Error::Unavailable { message, source }) => {
                        return Err(Error::Unavailable { message, source });
                    }
                    Err(_) => None,
                };
                let kept = [(Some(run.record()), "record of a run"), (log, "log of a run")];
                for (object, what) in kept {
                    let Some(object) = object else { continue };
                    match run {
                        EndedRun::Failed(_) => scope.want_for(object, what, None),
                        EndedRun::Committed(run) => {
                            for output in &run.outputs {
                                let made = Some((&output.dataset, output.number));
                                scope.want_for(object, what, made);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Notes every object of `version`. A manifest or list that cannot be read is a finding, and
    /// what it names stays unknown.
    async fn collect(
        &self,
        version: &VersionRecord,
        scope: &mut Scope,
        report: &mut VerifyReport,
    ) -> Result<()> {
        scope.want(version.manifest, "manifest", version);
        let detail = match self.version_detail(version).await {
            Ok(detail) => detail,
            Err(Error::Unavailable { message, source }) => {
                return Err(Error::Unavailable { message, source });
            }
            // Noted above: reading it again below finds the same.
            Err(Error::Corrupt { object, .. }) if object == version.manifest.id => return Ok(()),
            Err(error) => {
                let (object, what) = match &error {
                    Error::Corrupt { object, .. } => (*object, "list"),
                    _ => (version.manifest.id, "manifest or list"),
                };
                report.findings.push(VerifyFinding {
                    dataset: Some(version.dataset.clone()),
                    versions: vec![version.number],
                    object: Some(object),
                    what: what.to_owned(),
                    problem: error.to_string(),
                });
                return Ok(());
            }
        };
        let manifest = &detail.manifest;
        for list in manifest.tables.iter().chain(&manifest.quarantine).chain(&manifest.sources) {
            scope.want(list.object, "list", version);
        }
        if manifest.live
            && let Some(found) =
                self.inner.catalog.materialised(&version.dataset, version.number).await?
        {
            scope.want(found.tables.object, "list", version);
        }
        if let Some(profile) = manifest.profile {
            scope.want(profile, "profile", version);
            scope.profiles.insert(profile.id, manifest.row_count);
        }
        if let Some(derivation) = manifest.derivation {
            scope.want(derivation, "derivation", version);
        }
        if let Some(lineage) = manifest.lineage {
            scope.want(lineage, "lineage", version);
        }
        if let Some(program) = manifest.program {
            scope.want(program, "program", version);
        }
        for file in &detail.tables {
            scope.want(file.object, "table file", version);
            scope.files.insert(file.object.id, file.row_count);
        }
        for file in &detail.quarantine {
            scope.want(file.object, "quarantine file", version);
            scope.files.insert(file.object.id, file.row_count);
        }
        if let Some(id) = manifest.contract {
            match self.inner.catalog.find_object(id).await? {
                Some(object) => scope.want(object, "contract", version),
                None => report.findings.push(VerifyFinding {
                    dataset: Some(version.dataset.clone()),
                    versions: vec![version.number],
                    object: Some(id),
                    what: "contract".to_owned(),
                    problem: "no event names it".to_owned(),
                }),
            }
        }
        for found in self.inner.catalog.findings(&version.dataset, version.number).await? {
            scope.want(found.findings, "findings", version);
        }
        let mut names: BTreeMap<String, usize> = BTreeMap::new();
        for source in &detail.sources {
            *names.entry(source.name.clone()).or_default() += 1;
        }
        for source in detail.sources {
            scope.want(source.object, "source", version);
            let key = (source.object.id, source.decode.clone(), source.contract);
            if scope.counted.insert(key) {
                scope.sources.push(Read {
                    version: version.clone(),
                    shares_name: names[&source.name] > 1,
                    schema: manifest.schema.clone(),
                    quarantine: detail.quarantine.clone(),
                    source,
                });
            }
        }
        Ok(())
    }

    /// Reads every object once; gives those that are not what their name says.
    async fn verify_objects(
        &self,
        scope: &Scope,
        meter: &Arc<Meter>,
        report: &mut VerifyReport,
    ) -> Result<HashSet<ObjectId>> {
        let total = scope.objects.values().map(|wanted| wanted.object.size_bytes).sum();
        meter.begin("verifying", Some(total));
        let store = &self.inner.store;
        // Collected first: a closure over borrowed values inside the stream is not provably `Send`.
        let checks: Vec<_> = scope
            .objects
            .values()
            .map(|wanted| async move { (wanted, store.verify(&wanted.object).await) })
            .collect();
        let mut checks = stream::iter(checks).buffered(AT_ONCE);
        let mut damaged = HashSet::new();
        while let Some((wanted, outcome)) = checks.next().await {
            report.objects += 1;
            report.bytes += wanted.object.size_bytes;
            meter.add_bytes(wanted.object.size_bytes);
            match outcome.map_err(Error::from) {
                Ok(()) => {}
                Err(error @ (Error::Corrupt { .. } | Error::NotFound { .. })) => {
                    damaged.insert(wanted.object.id);
                    report.findings.extend(wanted.findings(&error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(damaged)
    }

    /// Counts rows again: of text by decoding it, of Parquet files by their footers.
    async fn verify_counts(
        &self,
        scope: &Scope,
        damaged: &HashSet<ObjectId>,
        meter: &Arc<Meter>,
        report: &mut VerifyReport,
    ) -> Result<()> {
        let decoded: Vec<_> = scope
            .sources
            .iter()
            .filter(|read| read.source.decode.is_some())
            .filter(|read| !damaged.contains(&read.source.object.id))
            .filter(|read| read.source.contract.is_none_or(|id| !damaged.contains(&id)))
            .filter(|read| read.quarantine.iter().all(|file| !damaged.contains(&file.object.id)))
            .collect();
        let total = decoded.iter().map(|read| read.source.object.size_bytes).sum();
        meter.begin("counting", Some(total));
        let mut late = LateRows::new();
        for read in decoded {
            let Read { version, source, .. } = read;
            if let Some(problem) = self.recount(read, &mut late).await? {
                report.findings.push(VerifyFinding {
                    dataset: Some(version.dataset.clone()),
                    versions: vec![version.number],
                    object: Some(source.object.id),
                    what: format!("rows of source `{}`", source.name),
                    problem,
                });
            }
            meter.add_bytes(source.object.size_bytes);
        }
        for (id, row_count) in scope.files.iter().filter(|(id, _)| !damaged.contains(id)) {
            let wanted = &scope.objects[id];
            let problem = self.recount_file(&wanted.object, *row_count).await?;
            report.findings.extend(problem.iter().flat_map(|problem| wanted.findings(problem)));
        }
        for (id, row_count) in scope.profiles.iter().filter(|(id, _)| !damaged.contains(id)) {
            let wanted = &scope.objects[id];
            let problem = match self.read_profile(&wanted.object).await {
                Ok(profile) if profile.whole.rows == *row_count => None,
                Ok(profile) => Some(format!(
                    "it is of {} rows, the version has {row_count}",
                    profile.whole.rows
                )),
                Err(Error::Stopped { message, .. }) => Some(message),
                Err(error) => return Err(error),
            };
            report.findings.extend(problem.iter().flat_map(|problem| wanted.findings(problem)));
        }
        Ok(())
    }

    async fn recount(&self, read: &Read, late: &mut LateRows) -> Result<Option<String>> {
        let source = &read.source;
        let Some(decode) = source.decode.clone() else { return Ok(None) };
        let contract = match source.contract {
            None => None,
            Some(id) => {
                let lake = &self.inner;
                Some(lake.cache.contract(&lake.store, &lake.catalog, id).await?)
            }
        };
        let late = match &contract {
            Some(contract) => {
                let key = (read.version.version_id, contract.digest());
                if let Entry::Vacant(unknown) = late.entry(key) {
                    unknown.insert(self.count_late(read, &late_rules(contract)).await?);
                }
                late[&key].get(&source.name).copied().unwrap_or_default()
            }
            None => 0,
        };
        let schema = read.schema.clone();
        let path = self.inner.store.copy_to_scratch(&source.object).await?;
        let local = LocalSource { name: source.name.clone(), path: path.clone() };
        let counted = blocking(move || {
            Ok(match contract {
                None => lakebed_ingest::recount(&local, &decode),
                Some(contract) => as_read(&contract, &decode, schema.as_ref()).and_then(|schema| {
                    let check = ContractRules::new(&contract).bind(&schema)?;
                    lakebed_ingest::recount_checked(&local, &decode, &check)
                }),
            })
        });
        let counted = counted.await;
        let _ = std::fs::remove_file(path);
        Ok(match counted? {
            Err(refusal) => Some(format!("it cannot be decoded any more: {refusal}")),
            Ok(now) if is_as_stated(source, &now, late, read.shares_name) => None,
            Ok(now) => Some(format!(
                "it holds {} accepted and {} quarantined rows, the version states {} and {}",
                now.accepted.rows,
                now.quarantined.rows,
                source.accepted.rows,
                source.quarantined.rows
            )),
        })
    }

    /// By source, the rows that are in a version's quarantine for nothing but rules of `late`, which no
    /// row breaks by itself.
    async fn count_late(
        &self,
        read: &Read,
        late: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        if late.is_empty() {
            return Ok(counts);
        }
        for file in &read.quarantine {
            let path = self.inner.store.copy_to_scratch(&file.object).await?;
            let late = late.clone();
            let counted = blocking(move || {
                let found = late_sources(&path, &late);
                let _ = std::fs::remove_file(&path);
                // What is wrong with the file is told where its rows are counted.
                Ok(found.unwrap_or_default())
            });
            for (source, count) in counted.await? {
                *counts.entry(source).or_default() += count;
            }
        }
        Ok(counts)
    }

    async fn recount_file(&self, object: &StoredObject, stated: u64) -> Result<Option<String>> {
        let path = match self.inner.store.local_path(object.id) {
            Some(path) => path,
            None => self.inner.store.copy_to_scratch(object).await?,
        };
        let counted = blocking(move || Ok(lakebed_ingest::parquet_rows(&path))).await?;
        Ok(match counted {
            Err(refusal) => Some(format!("it is no table file: {refusal}")),
            Ok(rows) if rows == stated => None,
            Ok(rows) => Some(format!("it holds {rows} rows, the version states {stated}")),
        })
    }

    /// Reads the journal from its first segment, and compares its events with the database's.
    /// Notes what is wrong with a chain, and says how many segments it has.
    async fn verify_chain<C: Chain>(&self, report: &mut VerifyReport) -> Result<u64> {
        let lake = &self.inner;
        let marked = C::state(&lake.catalog).await?.segment;
        let last = last_segment::<C::Link>(&lake.store).await?.max(marked);
        let (mut previous, mut next_seq) = (None, 1);
        for number in 1..=last {
            let key = ChainSegment::<C::Link>::key(number);
            let problem = match lake.store.read(&key).await? {
                None => Some("it is missing".to_owned()),
                Some(bytes) => {
                    let problem =
                        self.segment_problem::<C>(number, &bytes, previous, next_seq).await?;
                    previous = Some(ObjectId::of(&bytes));
                    let segment = ChainSegment::<C::Link>::read(&bytes);
                    if let SegmentBytes::Whole(segment) = segment {
                        next_seq = segment.last_seq + 1;
                    }
                    problem
                }
            };
            report.findings.extend(problem.map(|problem| VerifyFinding {
                dataset: None,
                versions: Vec::new(),
                object: None,
                what: format!("{} segment {number}", C::Link::FOLDER),
                problem,
            }));
        }
        Ok(last)
    }

    async fn segment_problem<C: Chain>(
        &self,
        number: u64,
        bytes: &[u8],
        previous: Option<ObjectId>,
        next_seq: u64,
    ) -> Result<Option<String>> {
        let segment = match ChainSegment::<C::Link>::read(bytes) {
            SegmentBytes::Whole(segment) => segment,
            SegmentBytes::Torn => return Ok(Some("it is cut off".to_owned())),
            SegmentBytes::Damaged { why } => return Ok(Some(why)),
        };
        let chained = segment.segment == number && segment.previous == previous;
        if segment.lake != self.id() || !chained || segment.first_seq != next_seq {
            return Ok(Some("it does not follow the segment before it".to_owned()));
        }
        let (after, up_to) = (segment.first_seq - 1, segment.last_seq);
        let ours = C::between(&self.inner.catalog, after, up_to).await?;
        Ok((ours != segment.events).then(|| "its events are not those of the database".to_owned()))
    }
}

/// Whether a source amounts to what is stated: `late` of its quarantined rows break rules that are
/// about other rows, and were accepted when it was read by itself.
fn is_as_stated(source: &SourceEntry, now: &Recount, late: u64, shares_name: bool) -> bool {
    let sum = |one: Tally, other: Tally| (one.rows + other.rows, one.bytes + other.bytes);
    let is_whole = sum(now.accepted, now.quarantined) == sum(source.accepted, source.quarantined);
    let moved = source.quarantined.rows.checked_sub(now.quarantined.rows);
    let is_explained = match shares_name {
        // The quarantine tells sources apart by name alone.
        true => moved.is_some_and(|moved| moved <= late),
        false => moved == Some(late),
    };
    let is_same = late > 0 || now.accepted == source.accepted;
    is_whole && is_explained && is_same && now.skipped == source.skipped
}

/// The sources of the rows of a file that break nothing but rules of `late`, with their number.
fn late_sources(
    path: &Path,
    late: &BTreeSet<String>,
) -> std::result::Result<BTreeMap<String, u64>, QuarantineError> {
    let mut counts = BTreeMap::new();
    for row in QuarantineReader::open(path)? {
        let row = row?;
        if row.reasons.iter().all(|reason| late.contains(&reason.rule)) {
            *counts.entry(row.source).or_default() += 1;
        }
    }
    Ok(counts)
}

/// The rules that no row breaks by itself.
fn late_rules(contract: &Contract) -> BTreeSet<String> {
    let rules = contract.all_rules().into_iter();
    let late = rules
        .filter(|rule| matches!(rule.check, Check::Duplicates { .. } | Check::Relationship { .. }));
    late.map(|rule| rule.id).collect()
}

/// The table as a source gave it: its own columns and types, and those it lacked.
fn as_read(
    contract: &Contract,
    decode: &Decode,
    schema: Option<&TableSchema>,
) -> std::result::Result<TableSchema, Refusal> {
    let mut fields: Vec<Field> = decode
        .columns()
        .iter()
        .map(|column| Field::optional(&column.name, column.data_type.clone()))
        .collect();
    for column in &contract.columns {
        let name = column.column();
        if fields.iter().all(|field| field.name != name) {
            let known = schema.and_then(|schema| schema.field(name));
            let data_type = known.map(|field| field.data_type.clone());
            let data_type = data_type.or_else(|| decode_type(column)).unwrap_or(DataType::String);
            fields.push(Field::optional(name, data_type));
        }
    }
    TableSchema::first(fields)
        .map_err(|error| Refusal::new(Refusal::SCHEMA_MISMATCH, error.to_string()))
}

/// Whoever may read a version may have it verified; so may those in office, who see no data.
fn check_verifies(rights: &Rights, scope: &[DatasetRef]) -> Result<()> {
    let in_office = |target: &Target| {
        rights.allows(Action::Audit, target) || rights.allows(Action::Admin, target)
    };
    if scope.is_empty() && !in_office(&Target::Lake) {
        return rights.verdict(Action::Audit, &Target::Lake).granted().map(drop).map_err(refused);
    }
    for reference in scope {
        let target = Target::Dataset(reference.dataset.clone());
        if !in_office(&target) {
            match check_reads(rights, &reference.dataset) {
                Ok(()) => {}
                Err(access::Refusal::Forbidden(denied)) => return Err(refused(denied)),
                Err(access::Refusal::Restricted(dataset)) => return Err(restricted(&dataset)),
                Err(access::Refusal::Hidden(_)) => return Err(unknown(reference)),
            }
        }
    }
    Ok(())
}

/// What [`Lake::resolve`] says of a dataset that is not there.
fn unknown(reference: &DatasetRef) -> Error {
    let dataset = reference.dataset.clone();
    crate::resolve::not_found(reference, &lakebed_catalog::NotFound::UnknownDataset { dataset })
}

impl VerifyFinding {
    /// Digests are data: those of a dataset that the asker may not read are not for them.
    fn hide_digests(&mut self, rights: &Rights) {
        let reads = match &self.dataset {
            Some(dataset) => rights.reads(dataset),
            None => rights.reads_everything(),
        };
        if reads {
            return;
        }
        if self.object.take().is_some() {
            self.what = self.what.split(" `").next().unwrap_or_default().to_owned();
            self.problem =
                "it is not what the version states; who may read it sees more".to_owned();
        }
    }
}

impl Scope {
    fn want(&mut self, object: StoredObject, what: &'static str, version: &VersionRecord) {
        self.want_for(object, what, Some((&version.dataset, version.number)));
    }

    fn want_for(
        &mut self,
        object: StoredObject,
        what: &'static str,
        version: Option<(&DatasetName, u64)>,
    ) {
        let wanted = self.objects.entry(object.id).or_insert_with(|| Wanted {
            object,
            what,
            users: BTreeMap::new(),
        });
        let versions = wanted.users.entry(version.map(|(dataset, _)| dataset.clone())).or_default();
        versions.extend(version.map(|(_, number)| number));
    }
}

impl Wanted {
    fn findings(&self, problem: &str) -> Vec<VerifyFinding> {
        let finding = |(dataset, versions): (&Option<DatasetName>, &BTreeSet<u64>)| VerifyFinding {
            dataset: dataset.clone(),
            versions: versions.iter().copied().collect(),
            object: Some(self.object.id),
            what: self.what.to_owned(),
            problem: problem.to_owned(),
        };
        self.users.iter().map(finding).collect()
    }
}
