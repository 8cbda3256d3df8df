//! What must not be told: hidden values, names and digests, and where the machine keeps them.
//!
//! Whatever is hidden in the lake is marked: texts with `SECRET-`, numbers with 77007700, days with the
//! 17th of June and times with 17:17:17, names of columns and datasets with words that are nowhere else.
//! A word with a mark in it is no leak where whoever asks has said it themselves.

/// Of values.
const VALUES: [&str; 5] = ["secret-", "77007700", "-06-17", "2777-", "17:17:17"];

/// Of names that are not for whoever sees a part. Those in office see some of them.
const NAMES: [&str; 6] = ["diagnosis", "mobile", "sealed_", "secret_code", "vault", "salaries"];

/// Of names that are for whoever may discover something.
const KNOWN_NAMES: [&str; 6] = ["clinic", "patients", "visits", "letters", "archive", "arrivals"];

/// Of what belongs to the machine.
const PLACES: [&str; 5] = ["objects/", "file:/", "s3:/", "lakebed.db", "lakebed.json"];

/// How much of a digest is known again; far more than chance brings.
const DIGITS: usize = 12;

/// What somebody may be told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sees {
    /// That there is a lake.
    Nothing,
    /// What policies and grants leave.
    Part,
    /// Names, too: who declares policies, or looks at what happened.
    Names,
    /// Everything.
    All,
}

pub(super) struct Marks {
    /// The beginnings of the digests of what is hidden.
    digests: Vec<String>,
    places: Vec<String>,
}

impl Marks {
    /// All of them: the digests in `hidden` that are not in `open`, and this lake's own places.
    pub(super) fn new(hidden: &str, open: &str, places: [String; 2]) -> Self {
        let open = digests_in(open);
        let mut digests = digests_in(hidden);
        digests.retain(|digest| !open.contains(digest));
        let places = PLACES.map(str::to_owned).into_iter().chain(places);
        Self { digests, places: places.map(|place| place.to_lowercase()).collect() }
    }

    /// The words of `told` that are not for somebody, but for those in what they `said`.
    pub(super) fn leaks(&self, sees: Sees, said: &str, told: &str) -> Vec<String> {
        let (said, told) = (said.to_lowercase(), told.to_lowercase());
        let mut leaks = Vec::new();
        for mark in self.kept_from(sees) {
            for (place, _) in told.match_indices(mark) {
                let word = word_at(&told, place, mark.len());
                if !said.contains(word) {
                    leaks.push(word.to_owned());
                }
            }
        }
        leaks
    }

    fn kept_from(&self, sees: Sees) -> Vec<&str> {
        let names: Vec<&str> = match sees {
            Sees::Nothing => [NAMES, KNOWN_NAMES].concat(),
            Sees::Part => NAMES.to_vec(),
            Sees::Names => Vec::new(),
            Sees::All => return Vec::new(),
        };
        let own = self.digests.iter().chain(&self.places).map(String::as_str);
        VALUES.into_iter().chain(names).chain(own).collect()
    }

    /// How many of the digests `told` holds, which must hold all other marks.
    pub(super) fn count_digests(&self, told: &str) -> usize {
        let told = told.to_lowercase();
        for mark in VALUES.iter().chain(&NAMES).chain(&KNOWN_NAMES) {
            assert!(told.contains(mark), "`{mark}` is nowhere");
        }
        self.digests.iter().filter(|digest| told.contains(*digest)).count()
    }
}

/// The whole word that a part of a text lies in.
fn word_at(text: &str, start: usize, length: usize) -> &str {
    let is_part = |char: char| char.is_alphanumeric() || char == '_' || char == '-';
    let (before, after) = (&text[..start], &text[start + length..]);
    let before = before.len() - before.trim_end_matches(is_part).len();
    let after = after.len() - after.trim_start_matches(is_part).len();
    &text[start - before..start + length + after]
}

/// The beginnings of the digests in a text.
fn digests_in(text: &str) -> Vec<String> {
    let runs = text.split(|char: char| !matches!(char, '0'..='9' | 'a'..='f'));
    runs.filter(|run| run.len() == 64).map(|run| run[..DIGITS].to_owned()).collect()
}

/// What is found in an answer is found whatever stands around it, and forgiven word by word.
#[test]
fn leaks_are_found() {
    let digest = format!("{:0<64}", "9f2c61d07a5b");
    let places = ["/tmp/Lake".to_owned(), "/tmp".to_owned()];
    let marks = Marks::new(&format!("\"id\":\"{digest}\""), "", places);
    let told = format!(
        "x SECRET-name-a, SECRET-name y 77007700001 Vault.x {digest} (/tmp/lake/objects/9f)"
    );
    let leaks = |sees, said| marks.leaks(sees, said, &told);
    assert_eq!(
        leaks(Sees::Part, "name = 'SECRET-name' and vault"),
        ["secret-name-a", "77007700001", &digest, "objects/9f", "/tmp/lake", "/tmp"],
    );
    assert_eq!(leaks(Sees::Names, &told), [""; 0]);
    assert_eq!(leaks(Sees::All, ""), [""; 0]);
}
