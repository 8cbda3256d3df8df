//! The lake that is attacked, and who attacks it.
//!
//! | dataset | of it |
//! |---|---|
//! | `clinic.patients` | rows of another region are hidden; every kind of mask; `diagnosis` is hidden. v1 and v2 are older than the policies, and `mail` was `email` in v1; v3 brought `mobile`, which nobody has reviewed, and has a quarantine |
//! | `clinic.visits` | rows are those of the asker's region; v1 has no regions |
//! | `clinic.letters` | `mail` is hashed |
//! | `clinic.codes` | under no policy |
//! | `clinic.scans` | no table |
//! | `fresh.arrivals` | came after the policy on its namespace, and nobody has reviewed it |
//! | `archive.cases` | `reader` may know that it is there |
//! | `vault.salaries` | `reader` may not |
//!
//! Whatever is hidden is marked (`marks.rs`).

use std::{collections::BTreeMap, sync::Arc};

use axum::Router;
use lakebed_core::{Declared, DecodeOptions, Identity, IngestMode, policy::MaskKey};
use lakebed_query::{DataFusionEngine, EngineOptions};
use lakebed_server::{Access, AppState, Asks, Auth, router};
use lakebed_service::{ApplyCatalog, Detail, ResolvedVersion};
use lakebed_testkit::TestLake;
use serde_json::{Value, json};

use super::{
    list::Request,
    marks::{Marks, Sees},
};

const PATIENTS_1: &str = "\
id,region,name,email,card,phone,iban,ssn,tax,born,seen_at,salary,weight,note,diagnosis
1,EU,SECRET-name-a,SECRET-mail-a,77007700000001,SECRET-phone-1111,DE-SECRET-iban-a,SECRET-ssn-a,SECRET-tax-a,1990-06-17,2025-03-04T17:17:17,7700770011,77007700.5,10,SECRET-diagnosis-a
2,EU,SECRET-name-b,SECRET-mail-b,77007700000002,SECRET-phone-2222,FR-SECRET-iban-b,SECRET-ssn-b,SECRET-tax-b,1985-06-17,2025-03-05T17:17:17,7700770022,77007700.25,20,SECRET-diagnosis-b
7700770001,US,SECRET-name-x,SECRET-mail-a,77007700000009,SECRET-phone-1111,DE-SECRET-iban-x,SECRET-ssn-x,SECRET-tax-x,2777-06-17,2777-06-17T17:17:17,7700770099,77007700.75,SECRET-note-x,SECRET-diagnosis-x
";

/// What v2 and v3 have besides. The rows of no region, and of one that only looks like it, are hidden,
/// too.
const MORE_PATIENTS: &str = "\
3,EU,,SECRET-mail-a,77007700000003,SECRET-phone-1111,DE-SECRET-iban-c,,,1990-06-17,2025-03-04T17:17:17,17700770033,,30,
7700770002,,SECRET-name-y,SECRET-mail-y,77007700000008,SECRET-phone-3333,IT-SECRET-iban-y,SECRET-ssn-y,SECRET-tax-y,2777-06-17,2777-06-17T17:17:17,7700770088,77007700.75,0,SECRET-diagnosis-y
7700770003,eu,SECRET-name-z,SECRET-mail-z,77007700000007,SECRET-phone-4444,IT-SECRET-iban-z,SECRET-ssn-z,SECRET-tax-z,2777-06-17,2777-06-17T17:17:17,0,0,SECRET-note-z,SECRET-diagnosis-z
";

const VISITS_1: &str = "\
id,patient,cost,ward
101,1,5,north
77007700100,7700770001,77007700,SECRET-ward
";

const VISITS_2: &str = "\
id,patient,cost,ward,region
101,1,5,north,EU
102,1,7,north,EU
103,2,9,south,EU
104,3,,south,EU
77007700104,7700770001,0,SECRET-ward,US
77007700105,1,6,SECRET-ward,US
77007700106,2,9223372036854775807,SECRET-ward,
";

const LETTERS: &str = "id,mail\n1,SECRET-mail-a\n2,SECRET-mail-b\n3,SECRET-mail-q\n";
const CODES: &str = "code,label\nEU,Europe\nUS,America\n";
const CASES: &str = "id,sealed_verdict\n7700770060,SECRET-verdict\n";
const SALARIES: &str = "id,sealed_pay\n1,77007700061\n";
const ARRIVALS: &str = "id,secret_code\n7700770070,SECRET-code\n7700770071,SECRET-code\n";

pub(super) struct Asker {
    pub(super) router: Router,
    pub(super) sees: Sees,
}

pub(super) struct World {
    test: TestLake,
    askers: BTreeMap<&'static str, Asker>,
    /// What stands for the lake's own words in the list.
    words: BTreeMap<String, String>,
    mask_key: MaskKey,
    pub(super) marks: Marks,
}

fn declared() -> Value {
    let free = json!(["chief", "group:doctors"]);
    let policy = |name: &str, on: &Value, rule: Value| {
        let mut policy = json!({ "name": name, "on": on, "except": free });
        policy.as_object_mut().unwrap().append(&mut rule.as_object().unwrap().clone());
        policy
    };
    let patients = json!({ "dataset": "clinic.patients" });
    let mask = |column: &str, mask: Value| json!({ "columns": [column], "mask": mask });
    let grant = |to: &str, may: &[&str], on: Value| json!({ "to": to, "may": may, "on": on, "from_stage": "raw" });
    let mut past = grant("lapsed", &["read"], json!("lake"));
    past["until"] = "2025-01-01T00:00:00Z".into();
    json!({
        "format": 1,
        "groups": { "doctors": ["doctor"] },
        "principals": {
            "reader": { "attributes": { "region": "EU" } },
            "pretender": { "attributes": { "region": "EU" } },
            "quoter": { "attributes": { "region": "EU' OR 'a' = 'a" } },
            "numeric": { "attributes": { "region": 7 } },
        },
        "grants": [
            grant("reader", &["read"], json!({ "namespace": "clinic" })),
            grant("reader", &["read"], json!({ "namespace": "fresh" })),
            grant("reader", &["discover"], json!({ "namespace": "archive" })),
            grant("pretender", &["read"], json!({ "namespace": "clinic" })),
            grant("drifter", &["read"], json!({ "namespace": "clinic" })),
            grant("quoter", &["read"], json!({ "namespace": "clinic" })),
            grant("numeric", &["read"], json!({ "namespace": "clinic" })),
            grant("doctor", &["read"], json!({ "namespace": "clinic" })),
            grant("chief", &["read"], json!("lake")),
            grant("auditor", &["audit", "admin"], json!("lake")),
            past,
        ],
        "policies": [
            policy("eu-only", &patients, json!({ "row_filter": "region = 'EU'" })),
            policy("no-names", &patients, mask("name", json!("redact"))),
            policy("no-mails", &patients, mask("mail", json!("hash"))),
            policy("no-cards", &patients, mask("card", json!("hash"))),
            policy("no-phones", &patients, mask("phone", json!({ "partial": { "keep_last": 4 } }))),
            policy("no-ibans", &patients, mask("iban", json!({ "partial": { "keep_first": 2 } }))),
            policy("no-ssns", &patients, mask("ssn", json!("null"))),
            policy("no-taxes", &patients, mask("tax", json!("redact"))),
            policy("no-tax-ends", &patients, mask("tax", json!({ "partial": { "keep_last": 1 } }))),
            policy("no-birthdays", &patients, mask("born", json!({ "date_trunc": "year" }))),
            policy("no-hours", &patients, mask("seen_at", json!({ "date_trunc": "day" }))),
            policy("no-pay", &patients, mask("salary", json!({ "bucket": 1_000_000_000 }))),
            policy("no-weights", &patients, mask("weight", json!({ "bucket": 1000 }))),
            policy("no-findings", &patients, json!({ "columns": ["diagnosis"], "hide": true })),
            policy("own-region", &json!({ "dataset": "clinic.visits" }),
                json!({ "row_filter": "region = principal.region" })),
            policy("no-senders", &json!({ "dataset": "clinic.letters" }), mask("mail", json!("hash"))),
            policy("no-scans", &json!({ "dataset": "clinic.scans" }),
                json!({ "columns": ["pixels"], "hide": true })),
            policy("no-codes", &json!({ "namespace": "fresh" }),
                mask("secret_code", json!("redact"))),
        ],
    })
}

fn options(value: Value) -> DecodeOptions {
    serde_json::from_value(value).unwrap()
}

fn types(mail: &str) -> Value {
    json!({
        "id": "long", "region": "string", "name": "string", mail: "string", "card": "long",
        "phone": "string", "iban": "string", "ssn": "string", "tax": "string", "born": "date",
        "seen_at": "timestamp", "salary": "long", "weight": "double", "note": "string",
        "diagnosis": "string",
    })
}

async fn apply(test: &TestLake, declared: Value) {
    let declared: Declared = serde_json::from_value(declared).unwrap();
    let before = test.lake.declared_catalog(&test.ctx()).await.unwrap().declaration;
    let expected = before.map(|declaration| declaration.digest);
    let apply = ApplyCatalog { declared, expected, without_admin: false };
    test.lake.apply_catalog(&test.ctx(), apply).await.unwrap();
}

/// Versions, from before the policies and after.
async fn fill(test: &TestLake) {
    let put = async |dataset: &str, name: &str, rows: &str, decode: Value| {
        let decode = options(decode);
        test.ingest_with(dataset, name, rows, IngestMode::Replace, decode).await.unwrap();
    };
    put("clinic.codes", "codes.csv", CODES, json!({})).await;
    put("clinic.visits", "visits.csv", VISITS_1, json!({})).await;
    put("clinic.visits", "visits.csv", VISITS_2, json!({})).await;
    put("clinic.letters", "letters.csv", LETTERS, json!({})).await;
    put("clinic.scans", "scan.txt", "SECRET-scan", json!({ "format": "files" })).await;
    put("archive.cases", "cases.csv", CASES, json!({})).await;
    put("vault.salaries", "salaries.csv", SALARIES, json!({})).await;
    put("clinic.patients", "patients.csv", PATIENTS_1, json!({ "types": types("email") })).await;
    let second = format!("{}{MORE_PATIENTS}", PATIENTS_1.replace(",email,", ",mail,"));
    let rename = json!([{ "rename": { "from": "email", "to": "mail" } }]);
    let decode = json!({ "types": types("mail"), "evolve": rename });
    put("clinic.patients", "patients.csv", &second, decode).await;

    apply(test, declared()).await;

    let mut third = String::new();
    for (place, line) in second.lines().enumerate() {
        let mobile = if place == 0 { "mobile" } else { "SECRET-mobile" };
        third += &format!("{line},{mobile}\n");
    }
    third += "SECRET-id,EU,SECRET-name-w,,,,,,,,,,,,,\n";
    let decode = json!({ "types": types("mail"), "max_quarantined": 0.5 });
    put("clinic.patients", "patients.csv", &third, decode).await;
    put("fresh.arrivals", "arrivals.csv", ARRIVALS, json!({})).await;
}

fn askers(test: &TestLake) -> BTreeMap<&'static str, Asker> {
    let named = |name: &str| Identity::of(name.parse().unwrap());
    let part = ["reader", "drifter", "quoter", "numeric"].map(|name| (name, Sees::Part));
    let nothing = ["stranger", "lapsed"].map(|name| (name, Sees::Nothing));
    let plain = part.into_iter().chain(nothing);
    let mut all: Vec<_> = plain.map(|(name, sees)| (name, named(name), sees)).collect();
    // What an identity provider says of somebody is not what the lake declares.
    let pretender = Identity {
        groups: ["doctors".parse().unwrap()].into(),
        attributes: [("region".parse().unwrap(), serde_json::from_value(json!("US")).unwrap())]
            .into(),
        ..named("pretender")
    };
    let scope = json!([{ "may": ["read"], "on": { "dataset": "clinic.codes" } }]);
    let narrow = named("chief").with_scope(serde_json::from_value(scope).unwrap());
    all.extend([
        ("pretender", pretender, Sees::Part),
        ("narrow", narrow, Sees::Part),
        ("auditor", named("auditor"), Sees::Names),
        ("doctor", named("doctor"), Sees::All),
        ("chief", named("chief"), Sees::All),
    ]);
    let asker = |(name, identity, sees)| {
        let state = AppState::new(test.lake.clone(), Access::Remote);
        let unasked = Auth::new(Asks::Never, Vec::new()).unwrap();
        let router = router(state.with_identity(identity).with_auth(unasked));
        (name, Asker { router, sees })
    };
    all.into_iter().map(asker).collect()
}

impl World {
    pub(super) async fn new() -> Self {
        let options =
            EngineOptions { target_partitions: 2.try_into().unwrap(), ..EngineOptions::default() };
        let engine = DataFusionEngine::new(options).unwrap();
        let test = TestLake::with_engine(Arc::new(engine)).await;
        fill(&test).await;
        let (words, marks) = words_and_marks(&test).await;
        let (askers, mask_key) = (askers(&test), mask_key(&test).await);
        Self { test, askers, words, mask_key, marks }
    }

    pub(super) fn asker(&self, who: &str) -> &Asker {
        self.askers.get(who).unwrap_or_else(|| panic!("nobody is called `{who}`"))
    }

    /// The request with the lake's own words in it.
    pub(super) fn filled(&self, request: &Request) -> Request {
        let body = request
            .body
            .as_ref()
            .map(|body| serde_json::from_str(&self.filled_text(&body.to_string())).unwrap());
        Request { path: self.filled_text(&request.path), body, ..request.clone() }
    }

    /// A text with the lake's own words in it.
    pub(super) fn filled_text(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('«') {
            let (word, after) = from.split_once('»').unwrap();
            filled += before;
            filled += &self.word(word);
            rest = after;
        }
        filled + rest
    }

    fn word(&self, word: &str) -> String {
        if let Some(value) = word.strip_prefix("hash:") {
            return self.hash(value);
        }
        self.words.get(word).unwrap_or_else(|| panic!("there is no `«{word}»`")).clone()
    }

    /// What somebody under a mask that hashes sees of a number or a text.
    fn hash(&self, value: &str) -> String {
        match value.parse::<i64>() {
            Ok(number) => {
                let digest =
                    self.mask_key.digest(&[&b"long\0"[..], &number.to_le_bytes()].concat());
                i64::from_le_bytes(digest[..8].try_into().unwrap()).to_string()
            }
            Err(_) => {
                let digest = self.mask_key.digest(&[b"text\0", value.as_bytes()].concat());
                digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }

    /// The names of all versions, and of all policies.
    pub(super) fn names(&self) -> (Vec<String>, Vec<String>) {
        let versions = self.words.keys().filter_map(|word| word.strip_prefix("id:"));
        let policies = declared()["policies"].clone();
        let policies = policies.as_array().unwrap().iter();
        let policies = policies.map(|policy| policy["name"].as_str().unwrap().to_owned());
        (versions.map(str::to_owned).collect(), policies.collect())
    }

    /// From now on there is no such policy, and all the others.
    pub(super) async fn apply_without(&self, policy: &str) {
        let mut declared = declared();
        let policies = declared["policies"].as_array_mut().unwrap();
        policies.retain(|other| other["name"] != policy);
        apply(&self.test, declared).await;
    }
}

async fn mask_key(test: &TestLake) -> MaskKey {
    let events = serde_json::to_value(test.events(0, 1000).await).unwrap();
    let events = events.as_array().unwrap();
    let key = events.iter().find_map(|event| event.get("mask_key")).expect("something is hashed");
    serde_json::from_value(key.clone()).unwrap()
}

/// The words of the list that are the lake's own, and the marks of what is hidden in it.
async fn words_and_marks(test: &TestLake) -> (BTreeMap<String, String>, Marks) {
    let mut words = BTreeMap::new();
    let (mut hidden, mut open) = (String::new(), String::new());
    let (_, datasets) = test.lake.datasets(&test.ctx(), None).await.unwrap();
    for dataset in datasets.into_iter().map(|seen| seen.record) {
        for number in 1..=dataset.newest.unwrap().number {
            let name = format!("{}@v{number}", dataset.name);
            let reference = [name.parse().unwrap()];
            let found = test.lake.resolve(&test.ctx(), &reference, Detail::Full).await.unwrap();
            let found = found.versions.into_iter().next().unwrap();
            words.extend(words_of(&name, &found));
            let text = if dataset.name.name() == "codes" { &mut open } else { &mut hidden };
            let detail = found.detail.as_ref().unwrap();
            *text += &format!("{found:?} {}", json!(detail.manifest));
        }
    }
    let events = serde_json::to_value(test.events(0, 1000).await).unwrap();
    for event in events.as_array().unwrap() {
        let text = if event["dataset"] == "clinic.codes" { &mut open } else { &mut hidden };
        *text += &event.to_string();
    }
    let places = [test.place.root().to_string(), test.outside().display().to_string()];
    (words, Marks::new(&hidden, &open, places))
}

fn words_of(name: &str, found: &ResolvedVersion) -> Vec<(String, String)> {
    let (version, detail) = (&found.version, found.detail.as_ref().unwrap());
    let files = [("table", &detail.tables), ("quarantine", &detail.quarantine)];
    let files = files.into_iter().filter_map(|(what, files)| Some((what, files.first()?)));
    let source = &detail.sources[0].object.id;
    [("id", version.version_id.to_string()), ("at", version.at.to_string())]
        .into_iter()
        .chain(files.map(|(what, file)| (what, file.object.id.to_string())))
        .chain([("source", source.to_string())])
        .map(|(what, word)| (format!("{what}:{name}"), word))
        .collect()
}
