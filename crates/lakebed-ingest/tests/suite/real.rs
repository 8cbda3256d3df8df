//! Real files, and what is known of them.

use crate::bench::{Bench, example, schema_text};

#[test]
fn weather_is_numbers_once_na_means_no_value() {
    let decoded = Bench::with_null("NA").decode(&[example("weather.csv")]).unwrap();
    insta::assert_snapshot!(schema_text(&decoded.schema), @"origin string, year long, month long, day long, hour long, temp double, dewp double, humid double, wind_dir long, wind_speed double, wind_gust double, precip double, pressure double, visib double, time_hour timestamptz");
    assert_eq!(decoded.sources[0].accepted.rows, 26_115);
    assert_eq!(decoded.sources[0].quarantined.rows, 0);
}

#[test]
fn without_it_na_stays_text_and_the_notes_say_what_would_change_that() {
    let decoded = Bench::new().decode(&[example("planes.csv")]).unwrap();
    assert_eq!(decoded.sources[0].accepted.rows, 3322);
    insta::assert_snapshot!(schema_text(&decoded.schema), @"tailnum string, year string, type string, manufacturer string, model string, engines long, seats long, speed string, engine string");
    insta::assert_snapshot!(decoded.notes.join("\n"), @r#"
    `planes.csv`: delimiter comma (detected), quote `"`, the first record names the columns (detected; `--header absent` reads it as data)
    `NA` is kept as text in `year`, `speed`; `--null 'NA'` reads it as no value, which may make `year` long, `speed` long
    "#);
}

#[test]
fn a_header_over_text_alone_is_a_header() {
    let decoded = Bench::new().decode(&[example("airlines.csv")]).unwrap();
    assert_eq!(schema_text(&decoded.schema), "carrier string, name string");
    assert_eq!(decoded.sources[0].accepted.rows, 16);
}

#[test]
fn names_with_spaces_and_brackets_are_kept() {
    let decoded = Bench::with_null("NA").decode(&[example("penguins-raw.csv")]).unwrap();
    assert_eq!(decoded.sources[0].accepted.rows, 344);
    let names: Vec<&str> = decoded.schema.fields.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names[9..11], ["Culmen Length (mm)", "Culmen Depth (mm)"]);
    assert_eq!(names.len(), 17);
}

#[test]
fn positions_are_doubles() {
    let decoded = Bench::new().decode(&[example("airports.csv")]).unwrap();
    assert_eq!(decoded.sources[0].accepted.rows, 1458);
    insta::assert_snapshot!(schema_text(&decoded.schema), @"faa string, name string, lat double, lon double, alt long, tz long, dst string, tzone string");
}
