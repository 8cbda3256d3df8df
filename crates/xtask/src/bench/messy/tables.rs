//! Clean tables, the same in every run.

/// A table of texts.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

const ROWS: usize = 40;
const NAMES: [&str; 7] =
    ["Ann", "Zoë", "O'Neil", "Blue, Café", "the \"Inn\"", "Łukasz", "Jean-Luc"];
const CITIES: [&str; 5] = ["Paris", "São Paulo", "Köln", "Lyon", "Brno"];

/// Numbers that look like chance.
fn mixed(row: usize, column: usize) -> usize {
    (row * 2_654_435_761 + column * 40_503 + 17) >> 7 & 0xffff
}

fn table(name: &'static str, header: &str, cell: impl Fn(usize, usize) -> String) -> Table {
    let header: Vec<String> = header.split(',').map(str::to_owned).collect();
    let row = |row| (0..header.len()).map(|column| cell(row, column)).collect();
    Table { name, rows: (0..ROWS).map(row).collect(), header }
}

/// Numbers with dates, nothing but text, measurements with gaps, texts of several lines.
pub(super) fn all() -> Vec<Table> {
    let day = |row: usize| format!("2024-{:02}-{:02}", row % 12 + 1, row % 28 + 1);
    vec![
        table("sales", "id,name,city,amount,day", |row, column| match column {
            0 => (row + 1).to_string(),
            1 => NAMES[mixed(row, 1) % NAMES.len()].to_owned(),
            2 => CITIES[mixed(row, 2) % CITIES.len()].to_owned(),
            3 => format!("{}.{:02}", mixed(row, 3) % 900 + 1, mixed(row, 4) % 100),
            _ => day(row),
        }),
        table("words", "code,name,town,remark", |row, column| match column {
            0 => format!("{:05}", mixed(row, 0)),
            1 => NAMES[mixed(row, 1) % NAMES.len()].to_owned(),
            2 => CITIES[mixed(row, 2) % CITIES.len()].to_owned(),
            _ => format!("remark {}", mixed(row, 3) % 9),
        }),
        table("measures", "station,t1,t2,t3,t4,t5,t6,t7", |row, column| match column {
            0 => format!("S{}", row % 7),
            column if mixed(row, column).is_multiple_of(9) => String::new(),
            column => format!("{}.{}", mixed(row, column) % 40, mixed(row, column + 9) % 9 + 1),
        }),
        table("notes", "id,note,ok", |row, column| match column {
            0 => (1000 + row).to_string(),
            1 if row.is_multiple_of(5) => format!("first line {row}\nsecond, \"line\""),
            1 => format!("one line {row}"),
            _ => mixed(row, 2).is_multiple_of(2).to_string(),
        }),
    ]
}

/// A field as RFC 4180 has it.
pub(super) fn field(text: &str, delimiter: char) -> String {
    let is_plain = !text.contains([delimiter, '"', '\n', '\r']);
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}

pub(super) fn line(row: &[String], delimiter: char) -> String {
    let fields: Vec<String> = row.iter().map(|text| field(text, delimiter)).collect();
    fields.join(&delimiter.to_string())
}
