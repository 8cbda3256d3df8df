//! Looking through a source for its keys and the types of their values.

use lakebed_core::{Compression, JsonForm};

use super::{
    Json, Origin,
    cut::{Cut, Kind},
    feed,
    parse::{Value, parse},
    refuse_fault, refuse_trouble,
    rows::checked_pieces,
    shape::{Keys, TooMany},
};
use crate::{
    LocalSource, Progress, Refusal,
    chunks::line_ends,
    engine::{Engine, run},
    feed::Fed,
    infer::Tuning,
    names,
    refusal::shown,
    rows::Trouble,
};

impl Json {
    /// Finds out keys and types: reads the source to its end.
    pub(crate) fn look_through(
        &mut self,
        source: &LocalSource,
        tuning: Tuning,
        threads: usize,
        progress: &dyn Progress,
    ) -> Result<(), Refusal> {
        let LocalSource { name, path } = source;
        let json = self.clone();
        let (form, longest) = (self.form, tuning.sizes.record);
        let keys = run(
            threads,
            progress,
            |feeder| {
                let origin = Origin { index: 0, path, json: &json };
                feed(feeder, origin, tuning.sizes, None, None, move |cut, _| {
                    look(&cut, form, longest)
                })
            },
            |engine| merged(engine, name, json.compression),
        )?;
        if keys.iter().next().is_none() {
            let message = format!("`{}` holds no object with a key", shown(name));
            return Err(Refusal::new(Refusal::NOT_A_TABLE, message)
                .hint("a table is objects: one on each line, or all in one array"));
        }
        self.lacking = keys.lacking_and_null().map(ToOwned::to_owned).collect();
        self.keys = keys.iter().map(|(key, _)| key.to_owned()).collect();
        self.shapes = keys.iter().map(|(_, shape)| shape.clone()).collect();
        self.names = names::usable(self.keys.iter().cloned());
        Ok(())
    }
}

/// What the records of a chunk say about their source.
struct Look {
    keys: Keys,
    lines: u64,
}

/// Looks at the sound records of a chunk.
fn look(cut: &Cut, form: JsonForm, longest: usize) -> Result<Result<Look, TooMany>, Trouble> {
    let mut keys = Keys::default();
    for piece in checked_pieces(cut, form, longest)? {
        if piece.kind != Kind::Record {
            continue;
        }
        if let Ok(node) = parse(&cut.text[piece.start..piece.stop])
            && let Value::Object(fields) = &node.value
            && keys.add(fields).is_err()
        {
            return Ok(Err(TooMany));
        }
    }
    Ok(Ok(Look { keys, lines: line_ends(&cut.text) }))
}

fn merged(
    engine: &mut Engine<'_, Fed<Result<Look, TooMany>>>,
    name: &str,
    compression: Option<Compression>,
) -> Result<Keys, Refusal> {
    let (mut keys, mut lines) = (Keys::default(), 0);
    while let Some(part) = engine.next()? {
        match part {
            Fed::Chunk { result: Ok(Ok(look)), .. } => {
                keys.merge(look.keys).map_err(|_| too_many(name))?;
                lines += look.lines;
            }
            Fed::Chunk { result: Ok(Err(TooMany)), .. } => return Err(too_many(name)),
            Fed::Chunk { result: Err(trouble), .. } => {
                return Err(refuse_trouble(name, &trouble, lines));
            }
            Fed::Fault { fault, .. } => {
                return Err(refuse_fault(name, compression, &fault, lines));
            }
            Fed::Refused(refusal) => return Err(refusal),
            Fed::Batch { .. } | Fed::Tail { .. } | Fed::End { .. } => {}
        }
    }
    Ok(keys)
}

pub(super) fn too_many(name: &str) -> Refusal {
    let message = format!("`{}` has more than 10,000 keys", shown(name));
    Refusal::new(Refusal::TOO_MANY_COLUMNS, message).hint(
        "are its keys data? declare the column that holds them as text (`--type COLUMN=string`)",
    )
}
