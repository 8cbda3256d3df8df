//! An event that somebody sent: held to the schemas, bounded, and reduced to what the record keeps.

use std::collections::BTreeSet;

use lakebed_core::{
    DatasetName, LakeId, StoredObject,
    lineage::{LineageKind, LineageName, LineageNode, LineageReceived},
};
use serde_json::{Map, Value};

use crate::{
    schemas::{self, EVENT, Place},
    validate::{Fault, MOST, below, validate},
};

/// The most bytes of an event, unpacked: enough to tell the lineage of [`MAX_COLUMNS`] columns.
pub const MAX_EVENT_BYTES: usize = 4 << 20;
/// The most inputs and outputs of one event, and the most datasets of the lake that it may name.
pub const MAX_DATASETS: usize = 2_000;
/// The most columns that one facet may tell of a dataset.
pub const MAX_COLUMNS: usize = 10_000;
/// The longest name of a job or a dataset, and of a namespace, in bytes.
pub const MAX_TEXT_BYTES: usize = 1_000;

/// The namespace of this lake's datasets: `lakebed://` and the lake's id. Their names there are
/// `namespace.name`.
#[must_use]
pub fn namespace_of(lake: LakeId) -> String {
    format!("lakebed://{lake}")
}

/// Everything that is wrong with an event; nothing where it may be recorded.
#[must_use]
pub fn check(event: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    let document = schemas::document(EVENT).expect("the schema of events is one of the schemas");
    validate(document, document, event, "", &mut faults);
    // What several parts of a schema ask for is missing once.
    faults.dedup();
    if let Some(fault) = no_kind(event) {
        faults.retain(|fault| {
            !(fault.pointer.is_empty() && KINDS.iter().any(|kind| kind.is_missed_by(fault)))
        });
        faults.insert(0, fault);
    }
    if !faults.is_empty() {
        return faults;
    }
    check_bounds(event, &mut faults);
    if faults.is_empty() {
        for (place, pointer, facets) in places(event) {
            check_facets(place, &pointer, facets, &mut faults);
        }
    }
    faults.dedup();
    faults.truncate(MOST);
    faults
}

/// A kind of events, and the fields that tell it from the others.
struct Kind {
    name: &'static str,
    marks: &'static [&'static str],
}

const RUN: Kind = Kind { name: "run event", marks: &["run", "job"] };
const JOB: Kind = Kind { name: "job event", marks: &["job"] };
const DATASET: Kind = Kind { name: "dataset event", marks: &["dataset"] };
const KINDS: [Kind; 3] = [RUN, JOB, DATASET];

impl Kind {
    fn needs(&self) -> String {
        let marks: Vec<String> = self.marks.iter().map(|mark| format!("`{mark}`")).collect();
        marks.join(" and ")
    }

    /// Whether a fault says that a mark of this kind is missing.
    fn is_missed_by(&self, fault: &Fault) -> bool {
        self.marks.iter().any(|mark| fault.why == format!("`{mark}` is missing"))
    }
}

/// What is wrong with an event that is none of the three kinds: what they are, and what it lacks for the
/// one that its other fields are of.
fn no_kind(event: &Value) -> Option<Fault> {
    let fields = event.as_object()?;
    let has = |name: &&str| fields.contains_key(*name);
    if KINDS.iter().any(|kind| kind.marks.iter().any(has)) {
        return None;
    }
    let nearest = match (has(&"eventType"), has(&"inputs") || has(&"outputs")) {
        (false, true) => JOB,
        _ => RUN,
    };
    let kinds = KINDS.map(|kind| format!("a {} has {}", kind.name, kind.needs()));
    let why = format!(
        "it is none of the three kinds: {}; for a {} it lacks {}",
        kinds.join(", "),
        nearest.name,
        nearest.needs()
    );
    Some(Fault::new("", why))
}

/// What the record keeps of a checked event; `told` are its bytes.
///
/// # Errors
/// The same faults as [`check`].
pub fn read(
    event: &Value,
    lake: LakeId,
    told: StoredObject,
) -> Result<LineageReceived, Vec<Fault>> {
    let faults = check(event);
    if !faults.is_empty() {
        return Err(faults);
    }
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let event_at = event["eventTime"].as_str().and_then(|time| time.parse().ok());
    let Some(event_at) = event_at else {
        return Err(vec![Fault::new("/eventTime", "it must be a time as RFC 3339 writes it")]);
    };
    let datasets = datasets_named(event, lake);
    if datasets.len() > MAX_DATASETS {
        let count = datasets.len();
        let why =
            format!("it names {count} datasets of the lake, and {MAX_DATASETS} at most are kept");
        return Err(vec![Fault::new("", why)]);
    }
    let kind = kind_of(event);
    let (run, job, about) = match kind {
        LineageKind::Run => (text(&event["run"]["runId"]), name_of(&event["job"]), None),
        LineageKind::Job => (None, name_of(&event["job"]), None),
        LineageKind::Dataset => (None, None, event.get("dataset")),
    };
    let nodes = |of: Option<&Value>| {
        let datasets = of.and_then(Value::as_array).into_iter().flatten();
        nodes(datasets.filter(|_| kind != LineageKind::Dataset), lake)
    };
    Ok(LineageReceived {
        kind,
        event_at,
        event_type: text(&event["eventType"]).filter(|_| kind == LineageKind::Run),
        run: run.map(|run| run.to_ascii_lowercase()),
        job,
        inputs: nodes(event.get("inputs")),
        outputs: match about {
            Some(dataset) => self::nodes(std::iter::once(dataset), lake),
            None => nodes(event.get("outputs")),
        },
        datasets,
        told,
    })
}

/// The datasets of the lake that are named anywhere in `value`: as the end of an edge, as another name of
/// one, in a facet.
#[must_use]
pub fn datasets_named(value: &Value, lake: LakeId) -> BTreeSet<DatasetName> {
    let mut found = BTreeSet::new();
    collect(value, &namespace_of(lake), &mut found);
    found
}

/// Bounded as the value is: whoever parsed it bounded its depth.
fn collect(value: &Value, namespace: &str, found: &mut BTreeSet<DatasetName>) {
    match value {
        Value::Object(fields) => {
            found.extend(name_of(value).and_then(|name| dataset_of(&name, namespace)));
            fields.values().for_each(|value| collect(value, namespace, found));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, namespace, found)),
        _ => {}
    }
}

/// An event that could be of two kinds is what its schema takes it for: with a run and a job, of a run.
fn kind_of(event: &Value) -> LineageKind {
    match (event.get("run"), event.get("job")) {
        (Some(_), Some(_)) => LineageKind::Run,
        (None, Some(_)) => LineageKind::Job,
        (_, None) => LineageKind::Dataset,
    }
}

fn nodes<'a>(datasets: impl Iterator<Item = &'a Value>, lake: LakeId) -> Vec<LineageNode> {
    let namespace = namespace_of(lake);
    let mut nodes: Vec<LineageNode> = Vec::new();
    for dataset in datasets {
        let Some(name) = name_of(dataset) else { continue };
        let others = &dataset["facets"]["symlinks"]["identifiers"];
        let others = others.as_array().into_iter().flatten().filter_map(name_of);
        let ours = others.chain([name.clone()]).filter_map(|name| dataset_of(&name, &namespace));
        let ours = ours.collect();
        match nodes.iter_mut().find(|node| node.name == name) {
            Some(node) => node.datasets.extend::<BTreeSet<_>>(ours),
            None => nodes.push(LineageNode { name, datasets: ours }),
        }
    }
    nodes
}

/// The dataset of the lake with this `namespace` that is called `name`; its versions and its quarantine are
/// parts of it, `name@selector!quarantine`, whether there are such ones or not.
fn dataset_of(name: &LineageName, namespace: &str) -> Option<DatasetName> {
    if name.namespace != namespace {
        return None;
    }
    // Neither sign is in the name of a dataset.
    let dataset = name.name.split(['@', '!']).next()?;
    dataset.parse().ok()
}

fn name_of(value: &Value) -> Option<LineageName> {
    Some(LineageName {
        namespace: value["namespace"].as_str()?.to_owned(),
        name: value["name"].as_str()?.to_owned(),
    })
}

/// Sizes that the schemas leave open, and characters that no database keeps.
fn check_bounds(event: &Value, faults: &mut Vec<Fault>) {
    let count = |key: &str| event[key].as_array().map_or(0, Vec::len);
    let datasets = count("inputs") + count("outputs");
    if datasets > MAX_DATASETS {
        let why =
            format!("it has {datasets} inputs and outputs, and {MAX_DATASETS} at most are kept");
        faults.push(Fault::new("", why));
        return;
    }
    let mut named: Vec<(String, &Value)> = Vec::new();
    named.extend(
        ["job", "dataset"]
            .into_iter()
            .filter_map(|key| event.get(key).map(|value| (format!("/{key}"), value))),
    );
    named.extend(datasets_of(event).map(|(pointer, _, dataset)| (pointer, dataset)));
    for (pointer, value) in named {
        check_name(value, &pointer, faults);
        let others = &value["facets"]["symlinks"]["identifiers"];
        for (index, other) in others.as_array().into_iter().flatten().enumerate() {
            let pointer = format!("{pointer}/facets/symlinks/identifiers/{index}");
            check_name(other, &pointer, faults);
        }
        for (facet, is_list) in [("schema", true), ("columnLineage", false)] {
            let fields = &value["facets"][facet]["fields"];
            let columns = match is_list {
                true => fields.as_array().map_or(0, Vec::len),
                false => fields.as_object().map_or(0, Map::len),
            };
            if columns > MAX_COLUMNS {
                let why = format!("it has {columns} columns, and {MAX_COLUMNS} at most are kept");
                faults.push(Fault::new(&format!("{pointer}/facets/{facet}/fields"), why));
            }
        }
        if faults.len() >= MOST {
            return;
        }
    }
}

fn check_name(value: &Value, pointer: &str, faults: &mut Vec<Fault>) {
    for key in ["namespace", "name"] {
        let Some(text) = value[key].as_str() else { continue };
        let pointer = format!("{pointer}/{key}");
        if text.len() > MAX_TEXT_BYTES {
            let why = format!("it has {} bytes, and {MAX_TEXT_BYTES} at most are kept", text.len());
            faults.push(Fault::new(&pointer, why));
        }
        if text.contains('\0') {
            faults.push(Fault::new(&pointer, "it holds the character NUL"));
        }
    }
}

/// The inputs and outputs, with their pointers and the key of the facets that only they have.
fn datasets_of(event: &Value) -> impl Iterator<Item = (String, &'static str, &Value)> {
    let of = |key: &'static str, facets: &'static str| {
        let datasets = event[key].as_array().into_iter().flatten().enumerate();
        datasets.map(move |(index, dataset)| (format!("/{key}/{index}"), facets, dataset))
    };
    of("inputs", "inputFacets").chain(of("outputs", "outputFacets"))
}

/// Everywhere that facets stand.
fn places(event: &Value) -> Vec<(Place, String, &Map<String, Value>)> {
    let owners = [(Place::Run, "run"), (Place::Job, "job"), (Place::Dataset, "dataset")];
    let mut found: Vec<(Place, String, &Value)> = Vec::new();
    for (place, key) in owners {
        found.push((place, format!("/{key}/facets"), &event[key]["facets"]));
    }
    for (pointer, own, dataset) in datasets_of(event) {
        let place = if own == "inputFacets" { Place::Input } else { Place::Output };
        found.push((Place::Dataset, format!("{pointer}/facets"), &dataset["facets"]));
        found.push((place, format!("{pointer}/{own}"), &dataset[own]));
    }
    let places = found.into_iter();
    places.filter_map(|(place, at, facets)| Some((place, at, facets.as_object()?))).collect()
}

/// Holds facets of the specification to their own schemas. Those of others, and of another model of the
/// specification, have been held to what all facets are; so is the word that one is deleted.
fn check_facets(place: Place, pointer: &str, facets: &Map<String, Value>, faults: &mut Vec<Fault>) {
    for (key, facet) in facets {
        let Some(known) = schemas::facet(place, key) else { continue };
        let model = facet["_schemaURL"].as_str().and_then(schemas::model_in);
        let is_other = model.is_some_and(|model| model != known.model);
        if is_other || facet["_deleted"] == Value::Bool(true) {
            continue;
        }
        validate(known.schema, known.document, facet, &below(pointer, key), faults);
        if faults.len() >= MOST {
            return;
        }
    }
}
