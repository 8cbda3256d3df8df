//! As much of Thrift's compact protocol as it takes to walk over a structure and to pick numbers
//! out of it. Everything is checked against the bytes at hand; nothing is allocated.

/// The bytes are no structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

const DEEPEST: usize = 64;

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;

/// Reads from the front of some bytes.
pub(crate) struct Walker<'b> {
    rest: &'b [u8],
}

impl<'b> Walker<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Bytes not walked over yet.
    pub(crate) const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Walks over a structure. `numbers` hears of each integer field directly in it, and of those
    /// in structures directly in it: the ids on the way, and the value.
    pub(crate) fn structure(
        &mut self,
        numbers: &mut dyn FnMut(&[i16], i64),
    ) -> Result<(), Malformed> {
        self.fields(&mut Vec::new(), numbers)
    }

    fn fields(
        &mut self,
        path: &mut Vec<i16>,
        numbers: &mut dyn FnMut(&[i16], i64),
    ) -> Result<(), Malformed> {
        if path.len() > DEEPEST {
            return Err(Malformed);
        }
        let mut last = 0_i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            let id = match head >> 4 {
                0 => i16::try_from(self.zigzag()?).map_err(|_| Malformed)?,
                delta => last.checked_add(delta.into()).ok_or(Malformed)?,
            };
            last = id;
            path.push(id);
            match head & 0x0f {
                TRUE | FALSE => {}
                I16 | I32 | I64 => {
                    let value = self.zigzag()?;
                    if path.len() <= 2 {
                        numbers(path, value);
                    }
                }
                STRUCT => self.fields(path, numbers)?,
                kind => self.value(kind, path, numbers)?,
            }
            path.pop();
        }
    }

    fn value(
        &mut self,
        kind: u8,
        path: &mut Vec<i16>,
        numbers: &mut dyn FnMut(&[i16], i64),
    ) -> Result<(), Malformed> {
        match kind {
            TRUE | FALSE | BYTE => self.byte().map(drop),
            I16 | I32 | I64 => self.zigzag().map(drop),
            DOUBLE => self.take(8),
            UUID => self.take(16),
            BINARY => {
                let length = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                self.take(length)
            }
            LIST | SET => {
                let head = self.byte()?;
                let size = match head >> 4 {
                    15 => self.varint()?,
                    size => size.into(),
                };
                self.elements(size, &[head & 0x0f], path, numbers)
            }
            MAP => match self.varint()? {
                0 => Ok(()),
                size => {
                    let kinds = self.byte()?;
                    self.elements(size, &[kinds >> 4, kinds & 0x0f], path, numbers)
                }
            },
            STRUCT => {
                // Numbers in lists of structures are nobody's business.
                path.extend([0, 0]);
                let result = self.fields(path, numbers);
                path.truncate(path.len() - 2);
                result
            }
            _ => Err(Malformed),
        }
    }

    /// Elements take a byte each at least, so that a size beyond the bytes at hand is a lie.
    fn elements(
        &mut self,
        size: u64,
        kinds: &[u8],
        path: &mut Vec<i16>,
        numbers: &mut dyn FnMut(&[i16], i64),
    ) -> Result<(), Malformed> {
        if size > self.rest.len() as u64 || path.len() > DEEPEST {
            return Err(Malformed);
        }
        for _ in 0..size {
            for kind in kinds {
                path.push(0);
                let result = self.value(*kind, path, numbers);
                path.pop();
                result?;
            }
        }
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<(), Malformed> {
        self.rest = self.rest.get(count..).ok_or(Malformed)?;
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn zigzag(&mut self) -> Result<i64, Malformed> {
        let value = self.varint()?;
        Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_found_by_their_path() {
        // 1: i32 3, 2: struct { 1: i32 -1 }, 5: binary "ab"
        let bytes = [0x15, 6, 0x1c, 0x15, 1, 0, 0x38, 2, b'a', b'b', 0];
        let mut found = Vec::new();
        let mut walker = Walker::new(&bytes);
        walker.structure(&mut |path, value| found.push((path.to_vec(), value))).expect("a struct");
        assert_eq!(found, [(vec![1], 3), (vec![2, 1], -1)]);
        assert_eq!(walker.remaining(), 0);
    }

    #[test]
    fn a_list_cannot_claim_more_elements_than_there_are_bytes() {
        let bytes = [0x19, 0xf5, 0xff, 0xff, 0xff, 0xff, 0x07, 0];
        assert_eq!(Walker::new(&bytes).structure(&mut |_, _| {}), Err(Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Walker::new(&bytes).structure(&mut |_, _| {});
        }
    }
}
