//! The declared catalog as people write it: `groups.yaml`, `stages.yaml`, `grants.yaml`,
//! `policies/*.yaml`, a contract per dataset in `datasets/<namespace>/<name>.odcs.yaml`, and products in
//! `products/<namespace>/<name>.yaml`.
//!
//! Untrusted input, read within the bounds of [`yaml`], 16 levels deep. Unknown keys are refused. Every
//! mistake names its file, line and column, and all of them are told at once, but for those that end
//! the reading of a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
    str::FromStr,
};

use lakebed_contract::{
    Note, NoteKind, dataset_of_file, read_contract,
    yaml::{self, Mistake, shown},
};
use lakebed_core::{
    Action, AttributeName, AttributeValue, DatasetName, Declared, DeclaredPrincipal, Gate,
    GateName, Grant, Grantee, Ladder, PrincipalName, Stage, StageName, Target, Timestamp,
    policy::{Policy, PolicyName, PolicyTarget},
};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{
    DeclaredFlaw, ProductPart, check_grantee, check_group, check_ladder, check_policy_alone,
    check_principal, check_product, check_stage,
    policies::{OnPolicy, PoliciesFile, PolicyEntry, is_policies},
    products::{PRODUCTS, ProductFile, product_of_file},
    stages::{StageEntry, StagesFile},
};

/// How deep a file may be.
const MAX_DEPTH: usize = 16;
const GROUPS: &str = "groups.yaml";
const GRANTS: &str = "grants.yaml";
const STAGES: &str = "stages.yaml";
const DATASETS: &str = "datasets/";

/// A file of the folder, as the caller read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogFile {
    /// Its place below the folder: `grants.yaml`.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// What a folder declares, and what there is to say about how it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReadCatalog {
    /// The value.
    pub declared: Declared,
    /// What of the contracts does not hold or may not do what its author thinks, by file and line.
    pub notes: Vec<(String, Note)>,
}

/// Reads the files of a `catalog/` folder. Files that are absent declare nothing; a file that this
/// build does not know is refused, lest something that was written down did not hold.
///
/// # Errors
/// All mistakes, in the order of files and lines.
pub fn read_catalog(files: &[CatalogFile]) -> Result<ReadCatalog, Vec<Mistake>> {
    let mut reader = Reader::default();
    // Groups and stages first: grants may only name those.
    for file in files.iter().filter(|file| file.name == GROUPS) {
        reader.groups(file);
    }
    for file in files.iter().filter(|file| file.name == STAGES) {
        reader.stages(file);
    }
    for file in files.iter().filter(|file| file.name == GRANTS) {
        reader.grants(file);
    }
    for file in files.iter().filter(|file| is_policies(&file.name)) {
        reader.policies(file);
    }
    for file in files.iter().filter(|file| file.name.starts_with(DATASETS)) {
        reader.contract(file);
    }
    for file in files.iter().filter(|file| file.name.starts_with(PRODUCTS)) {
        reader.product(file);
    }
    for file in files.iter().filter(|file| !is_known(&file.name)) {
        reader.mistakes.push(Mistake {
            file: file.name.clone(),
            line: 0,
            column: 0,
            message: "this build knows no such file".to_owned(),
            hint: Some(format!(
                "it reads `{GROUPS}`, `{STAGES}`, `{GRANTS}`, `policies/*.yaml`, \
                 `{DATASETS}<namespace>/<name>.odcs.yaml` and `{PRODUCTS}<namespace>/<name>.yaml`"
            )),
        });
    }
    reader.mistakes.sort();
    let Reader { declared, notes, mistakes } = reader;
    if mistakes.is_empty() { Ok(ReadCatalog { declared, notes }) } else { Err(mistakes) }
}

fn is_known(name: &str) -> bool {
    let is_below = |folder| name.starts_with(folder);
    [GROUPS, STAGES, GRANTS].contains(&name)
        || is_policies(name)
        || is_below(DATASETS)
        || is_below(PRODUCTS)
}

/// Where the policy of that name stands in `files`, so that what only a lake can find wrong with it is
/// told by line, too.
#[must_use]
pub fn find_policy(files: &[CatalogFile], name: &PolicyName) -> Option<Mistake> {
    files.iter().filter(|file| is_policies(&file.name)).find_map(|file| {
        let read = yaml::read::<PoliciesFile>(&file.name, &file.text, MAX_DEPTH).ok()?;
        let entry = read.policies.into_iter().find(|entry| entry.name.value == name.as_str())?;
        Some(Mistake::at(&file.name, entry.name.referenced, String::new(), None))
    })
}

/// Where that part of a product stands in `files`, so that what only a lake can find wrong with it is told by
/// line, too.
#[must_use]
pub fn find_product(
    files: &[CatalogFile],
    name: &DatasetName,
    part: &ProductPart,
) -> Option<Mistake> {
    let is_its = |file: &&CatalogFile| product_of_file(&file.name).is_ok_and(|of| of == *name);
    let file = files.iter().find(is_its)?;
    let read = yaml::read::<ProductFile>(&file.name, &file.text, MAX_DEPTH).ok()?;
    let place = read.place_of(part);
    Some(Mistake::at(&file.name, place, String::new(), None))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupsFile {
    #[serde(default)]
    groups: Entries<Vec<Text>>,
    #[serde(default)]
    claimed_groups: Vec<Text>,
    #[serde(default)]
    principals: Entries<PrincipalEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PrincipalEntry {
    #[serde(default)]
    attributes: Entries<Spanned<AttributeValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantsFile {
    #[serde(default)]
    grants: Vec<GrantEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantEntry {
    to: Text,
    may: Spanned<Vec<Text>>,
    on: On,
    from_stage: Option<Text>,
    until: Option<Text>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum On {
    Lake,
    Namespace(Text),
    Dataset(Text),
}

/// Text and where it stands.
pub(super) type Text = Spanned<String>;

/// A mapping whose keys know where they stand.
pub(super) struct Entries<T>(pub(super) Vec<(Text, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Pairs<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Pairs(PhantomData))
    }
}

#[derive(Default)]
struct Reader {
    declared: Declared,
    notes: Vec<(String, Note)>,
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn groups(&mut self, file: &CatalogFile) {
        let Some(read) = self.parse::<GroupsFile>(file) else { return };
        for (name, members) in read.groups.0 {
            let Some(group) = self.name(file, &name, check_group) else { continue };
            let members = members.iter().filter_map(|text| self.name(file, text, check_principal));
            let members: BTreeSet<PrincipalName> = members.collect();
            self.declared.groups.insert(group, members);
        }
        for name in &read.claimed_groups {
            let group = self.name(file, name, check_group);
            self.declared.claimed_groups.extend(group);
        }
        for (name, entry) in read.principals.0 {
            let attributes = self.attributes(file, entry.attributes);
            if let Some(principal) = self.name(file, &name, check_principal) {
                let declared = DeclaredPrincipal { attributes };
                self.declared.principals.insert(principal, declared);
            }
        }
    }

    fn attributes(
        &mut self,
        file: &CatalogFile,
        entries: Entries<Spanned<AttributeValue>>,
    ) -> BTreeMap<AttributeName, AttributeValue> {
        let mut attributes = BTreeMap::new();
        for (name, value) in entries.0 {
            if let Some(name) = self.name(file, &name, |_: &AttributeName| Ok(())) {
                attributes.insert(name, value.value);
            }
        }
        attributes
    }

    /// A ladder with a mistake is left out, and the usual one is what grants are held to.
    fn stages(&mut self, file: &CatalogFile) {
        let Some(read) = self.parse::<StagesFile>(file) else { return };
        let before = self.mistakes.len();
        let stages: Vec<Stage> =
            read.stages.iter().filter_map(|entry| self.stage(file, entry)).collect();
        if self.mistakes.len() > before {
            return;
        }
        let ladder = Ladder { solo: read.solo, stages };
        for (place, flaw) in check_ladder(&ladder) {
            let location = read.stages.get(place).map(|entry| entry.name.referenced);
            self.flaw(file, location.unwrap_or(Location::UNKNOWN), &flaw);
        }
        self.declared.stages = Some(ladder);
    }

    fn stage(&mut self, file: &CatalogFile, entry: &StageEntry) -> Option<Stage> {
        let name = self.name(file, &entry.name, |_: &StageName| Ok(()));
        let gates = entry.gates.iter().filter_map(|text| self.name(file, text, |_: &Gate| Ok(())));
        let gates: BTreeSet<Gate> = gates.collect();
        let waivable = entry.waivable.iter();
        let waivable = waivable.filter_map(|text| self.name(file, text, |_: &GateName| Ok(())));
        let waivable: BTreeSet<GateName> = waivable.collect();
        Some(Stage { name: name?, gates, waivable })
    }

    fn grants(&mut self, file: &CatalogFile) {
        let Some(read) = self.parse::<GrantsFile>(file) else { return };
        for entry in read.grants {
            if let Some(grant) = self.grant(file, &entry) {
                self.declared.grants.insert(grant);
            }
        }
    }

    /// Reads all parts before it gives up, so that all mistakes of a grant are told at once.
    fn grant(&mut self, file: &CatalogFile, entry: &GrantEntry) -> Option<Grant> {
        let known = std::mem::take(&mut self.declared);
        let to = self.name(file, &entry.to, |to: &Grantee| check_grantee(to, &known));
        self.declared = known;
        let given = entry.may.value.len();
        let may = entry.may.value.iter();
        let may: BTreeSet<Action> =
            may.filter_map(|text| self.name(file, text, |_: &Action| Ok(()))).collect();
        if given == 0 {
            self.flaw(file, entry.may.referenced, &DeclaredFlaw::NoAction);
        }
        let on = match &entry.on {
            On::Lake => Some(Target::Lake),
            On::Namespace(text) => self.name(file, text, |_| Ok(())).map(Target::Namespace),
            On::Dataset(text) => self.name(file, text, |_| Ok(())).map(Target::Dataset),
        };
        let from_stage = match &entry.from_stage {
            None => Some(StageName::raw()),
            Some(text) => {
                let ladder = self.declared.ladder();
                self.name(file, text, |stage| check_stage(stage, &ladder))
            }
        };
        let until = match &entry.until {
            None => Some(None),
            Some(text) => self.time(file, text).map(Some),
        };
        Some(Grant { to: to?, may, on: on?, from_stage: from_stage?, until: until? })
    }

    fn policies(&mut self, file: &CatalogFile) {
        let Some(read) = self.parse::<PoliciesFile>(file) else { return };
        for entry in read.policies {
            if let Some(policy) = self.policy(file, &entry) {
                if self.declared.policies.contains_key(&policy.name) {
                    let message = format!("two policies are named `{}`", policy.name);
                    let hint = "every policy has a name of its own, in all files".to_owned();
                    self.mistake(file, entry.name.referenced, message, Some(hint));
                } else {
                    self.declared.policies.insert(policy.name.clone(), policy);
                }
            }
        }
        for (dataset, columns) in read.reviewed.0 {
            if let Some(dataset) = self.name(file, &dataset, |_: &DatasetName| Ok(())) {
                let columns = columns.into_iter().map(|column| column.value);
                self.declared.reviewed.entry(dataset).or_default().extend(columns);
            }
        }
    }

    fn policy(&mut self, file: &CatalogFile, entry: &PolicyEntry) -> Option<Policy> {
        let known = std::mem::take(&mut self.declared);
        let except = entry
            .except
            .iter()
            .map(|text| self.name(file, text, |except: &Grantee| check_grantee(except, &known)));
        let except: Option<BTreeSet<Grantee>> = except.collect::<Vec<_>>().into_iter().collect();
        self.declared = known;
        let name = self.name(file, &entry.name, |_: &PolicyName| Ok(()));
        let on = match &entry.on {
            OnPolicy::Lake => Some(PolicyTarget::Lake),
            OnPolicy::Namespace(text) => {
                self.name(file, text, |_| Ok(())).map(PolicyTarget::Namespace)
            }
            OnPolicy::Dataset(text) => self.name(file, text, |_| Ok(())).map(PolicyTarget::Dataset),
            OnPolicy::Tag(text) => self.name(file, text, |_| Ok(())).map(PolicyTarget::Tag),
        };
        let rule = entry.rule().map_err(|(location, message, hint)| {
            self.mistake(file, location, message, Some(hint));
        });
        let policy = Policy { name: name?, on: on?, rule: rule.ok()?, except: except? };
        let flaws = check_policy_alone(&policy);
        for flaw in &flaws {
            self.flaw(file, entry.name.referenced, flaw);
        }
        flaws.is_empty().then_some(policy)
    }

    /// The contract of the dataset that the file is called like; of a document with several tables
    /// that of the table of this name.
    fn contract(&mut self, file: &CatalogFile) {
        let dataset = match dataset_of_file(&file.name) {
            Ok(dataset) => dataset,
            Err(mistake) => return self.mistakes.push(mistake),
        };
        match read_contract(&file.name, &file.text, Some(dataset.name())) {
            Err(mistakes) => self.mistakes.extend(mistakes),
            Ok(read) => {
                let told = read.notes.into_iter().filter(|note| note.kind != NoteKind::Kept);
                self.notes.extend(told.map(|note| (file.name.clone(), note)));
                self.declared.contracts.insert(dataset, read.contract);
            }
        }
    }

    /// The product of the dataset that the file is called like.
    fn product(&mut self, file: &CatalogFile) {
        let dataset = match product_of_file(&file.name) {
            Ok(dataset) => dataset,
            Err(mistake) => return self.mistakes.push(mistake),
        };
        let Some(read) = self.parse::<ProductFile>(file) else { return };
        let owner = self.name(file, &read.owner, check_principal);
        let input_stage = match &read.input_stage {
            None => Some(StageName::raw()),
            Some(text) => {
                let ladder = self.declared.ladder();
                self.name(file, text, |stage| check_stage(stage, &ladder))
            }
        };
        let computed = read.served().and_then(|served| Ok((served, read.refresh()?)));
        let computed = match computed {
            Ok(computed) => Some(computed),
            Err((location, message, hint)) => {
                self.mistake(file, location, message, Some(hint));
                None
            }
        };
        let queries = match read.queries(&file.text) {
            Ok(queries) => Some(queries),
            Err((location, message, hint)) => {
                self.mistake(file, location, message, Some(hint));
                None
            }
        };
        let (Some(owner), Some(input_stage), Some(computed), Some(queries)) =
            (owner, input_stage, computed, queries)
        else {
            return;
        };
        let product = read.product(owner, input_stage, computed, queries);
        match check_product(&dataset, &product) {
            Ok(()) => {
                self.declared.products.insert(dataset, product);
            }
            Err(flaw) => {
                let place = match &flaw {
                    DeclaredFlaw::Product { part, .. } => read.place_of(part),
                    _ => Location::UNKNOWN,
                };
                self.flaw(file, place, &flaw);
            }
        }
    }

    /// A date means its end, as in references (D-07).
    fn time(&mut self, file: &CatalogFile, text: &Text) -> Option<Timestamp> {
        let date = chrono::NaiveDate::parse_from_str(&text.value, "%Y-%m-%d").ok();
        let is_date = date.filter(|_| text.value.len() == 10).map(Timestamp::end_of_day);
        let read = is_date.or_else(|| text.value.parse().ok());
        if read.is_none() {
            let message = format!("`{}` is neither a date nor a time", shown(&text.value));
            let hint = "write `2027-06-30` (to the end of that day, UTC) or `2027-06-30T12:00:00Z`";
            self.mistake(file, text.referenced, message, Some(hint.to_owned()));
        }
        read
    }

    /// A name that is well formed and that `check` has nothing against.
    fn name<T: FromStr<Err: fmt::Display>>(
        &mut self,
        file: &CatalogFile,
        text: &Text,
        check: impl Fn(&T) -> Result<(), DeclaredFlaw>,
    ) -> Option<T> {
        match text.value.parse::<T>() {
            Err(error) => {
                self.mistake(file, text.referenced, error.to_string(), None);
                None
            }
            Ok(name) => match check(&name) {
                Ok(()) => Some(name),
                Err(flaw) => {
                    self.flaw(file, text.referenced, &flaw);
                    None
                }
            },
        }
    }

    /// None after a mistake; the default for a file without content.
    fn parse<T: for<'de> Deserialize<'de>>(&mut self, file: &CatalogFile) -> Option<T> {
        let read = yaml::read(&file.name, &file.text, MAX_DEPTH);
        read.map_err(|mistake| self.mistakes.push(mistake)).ok()
    }

    fn flaw(&mut self, file: &CatalogFile, location: Location, flaw: &DeclaredFlaw) {
        self.mistake(file, location, flaw.to_string(), Some(flaw.hint().to_owned()));
    }

    fn mistake(
        &mut self,
        file: &CatalogFile,
        location: Location,
        message: String,
        hint: Option<String>,
    ) {
        self.mistakes.push(Mistake::at(&file.name, location, message, hint));
    }
}
