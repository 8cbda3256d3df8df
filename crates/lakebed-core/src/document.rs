//! What all JSON documents in the store have in common: a line of their own, and a format number.

use serde::{Serialize, de::Error as _};

/// One line of JSON, ended by a newline: pleasant to `cat`, stable to hash.
pub(crate) fn json_line(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(value).expect("plain values always serialise");
    bytes.push(b'\n');
    bytes
}

/// Refuses a document of a format that this build does not know; `what` names the number.
pub(crate) fn check_format(what: &str, format: u32, known: u32) -> Result<(), serde_json::Error> {
    match (1..=known).contains(&format) {
        true => Ok(()),
        false => Err(serde_json::Error::custom(format_args!(
            "{what} {format} is not known to this build, which knows up to {known}"
        ))),
    }
}
