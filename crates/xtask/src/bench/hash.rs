//! The yardstick for "nothing to do": reading a file and hashing it on all cores, nothing else.

use std::{fs::File, io::Read as _, path::Path};

use anyhow::{Context as _, Result};

/// The hidden command that does it.
pub(crate) const COMMAND: &str = "hash-file";

const BLOCK: usize = 16 << 20;

/// Prints the BLAKE3 digest of `file`.
pub(crate) fn run(file: &Path) -> Result<()> {
    let context = || format!("cannot read `{}`", file.display());
    let mut input = File::open(file).with_context(context)?;
    let mut block = vec![0; BLOCK];
    let mut hasher = blake3::Hasher::new();
    loop {
        let length = fill(&mut input, &mut block).with_context(context)?;
        hasher.update_rayon(&block[..length]);
        if length < BLOCK {
            println!("{}", hasher.finalize());
            return Ok(());
        }
    }
}

/// Reads until `block` is full or the input ends.
fn fill(input: &mut File, block: &mut [u8]) -> std::io::Result<usize> {
    let mut length = 0;
    while length < block.len() {
        match input.read(&mut block[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}
