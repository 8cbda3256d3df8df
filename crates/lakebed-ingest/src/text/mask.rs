//! Finding a few byte values in text, 64 bytes at a time.
//!
//! A [`Finder`] walks the positions of up to four byte values in order, comparing eight bytes at a
//! time in an ordinary register.

/// Byte values to look for; unused places repeat another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needles(pub(crate) [u8; 4]);

/// The positions of the needles in a text, ascending.
pub(crate) struct Finder<'t> {
    text: &'t [u8],
    needles: Needles,
    /// Where the block that `mask` describes begins.
    block: usize,
    /// One bit per byte of the block that is still to be told.
    mask: u64,
}

const BLOCK: usize = 64;

impl<'t> Finder<'t> {
    /// Looks from `from` on.
    pub(crate) fn new(text: &'t [u8], needles: Needles, from: usize) -> Self {
        let mut finder = Self { text, needles, block: from, mask: 0 };
        finder.mask = finder.classify();
        finder
    }

    /// The next position, if there is one.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.block += BLOCK;
            if self.block >= self.text.len() {
                self.block = self.text.len();
                return None;
            }
            self.mask = self.classify();
        }
        let bit = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(self.block + bit)
    }

    #[inline(always)]
    fn classify(&self) -> u64 {
        let rest = &self.text[self.block.min(self.text.len())..];
        match rest.first_chunk::<BLOCK>() {
            Some(block) => matches(block, self.needles),
            None => self.classify_end(rest),
        }
    }

    #[cold]
    fn classify_end(&self, rest: &[u8]) -> u64 {
        let mut mask = 0;
        for (bit, byte) in rest.iter().enumerate() {
            mask |= u64::from(self.needles.0.contains(byte)) << bit;
        }
        mask
    }
}

/// One bit per byte of `block`: whether it is a needle.
#[inline(always)]
fn matches(block: &[u8; BLOCK], needles: Needles) -> u64 {
    let needles = needles.0.map(|byte| u64::from(byte) * ONES);
    let mut mask = 0;
    for (place, part) in block.as_chunks::<8>().0.iter().enumerate() {
        mask |= matches_in_eight(u64::from_le_bytes(*part), needles) << (place * 8);
    }
    mask
}

const ONES: u64 = 0x0101_0101_0101_0101;
const LOW_SEVEN: u64 = 0x7f * ONES;

/// One bit per byte of `eight`. A byte equals a needle where their XOR is zero, and a byte is zero
/// where neither it nor its low seven bits plus 127 have the high bit: exact, no borrow between
/// bytes. A multiplication gathers the eight high bits.
#[inline(always)]
const fn matches_in_eight(eight: u64, needles: [u64; 4]) -> u64 {
    let [a, b, c, d] = needles;
    let differ = differs(eight ^ a) & differs(eight ^ b) & differs(eight ^ c) & differs(eight ^ d);
    let equal = !(differ | LOW_SEVEN) >> 7;
    equal.wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// The high bit of each byte that is not zero; other bits are noise.
#[inline(always)]
const fn differs(xor: u64) -> u64 {
    ((xor & LOW_SEVEN) + LOW_SEVEN) | xor
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_loop_finds(
            text in prop::collection::vec(prop::sample::select(b",\"\n\rab".to_vec()), 0..300),
            from in 0_usize..300,
        ) {
            let from = from.min(text.len());
            let mut finder = Finder::new(&text, Needles(*b",\"\n\r"), from);
            let found: Vec<_> = std::iter::from_fn(|| finder.next()).collect();
            let expected: Vec<_> =
                (from..text.len()).filter(|&place| b",\"\n\r".contains(&text[place])).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
