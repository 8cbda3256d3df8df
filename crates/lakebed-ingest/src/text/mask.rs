//! Finding a few byte values in text, 64 bytes at a time.
//!
//! A [`Finder`] walks the positions of up to four byte values in order. On x86-64 it compares
//! sixteen bytes at a time with SSE2, which every such machine has; elsewhere it compares bytes in
//! a loop that compilers vectorise. Both give the same positions.

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

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn matches(block: &[u8; BLOCK], needles: Needles) -> u64 {
    use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8};

    let [a, b, c, d] = needles.0.map(|byte| _mm_set1_epi8(byte.cast_signed()));
    let mut mask = 0;
    for (place, part) in block.as_chunks::<16>().0.iter().enumerate() {
        let part = vector(part);
        let ab = _mm_or_si128(_mm_cmpeq_epi8(part, a), _mm_cmpeq_epi8(part, b));
        let cd = _mm_or_si128(_mm_cmpeq_epi8(part, c), _mm_cmpeq_epi8(part, d));
        let bits = _mm_movemask_epi8(_mm_or_si128(ab, cd)).cast_unsigned();
        mask |= u64::from(bits) << (place * 16);
    }
    mask
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn vector(part: &[u8; 16]) -> std::arch::x86_64::__m128i {
    let value = u128::from_le_bytes(*part);
    let (low, high) = (value as u64, (value >> 64) as u64);
    std::arch::x86_64::_mm_set_epi64x(high.cast_signed(), low.cast_signed())
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn matches(block: &[u8; BLOCK], needles: Needles) -> u64 {
    let mut mask = 0;
    for (place, part) in block.as_chunks::<8>().0.iter().enumerate() {
        let mut bits = 0_u64;
        for (bit, byte) in part.iter().enumerate() {
            bits |= u64::from(needles.0.contains(byte)) << bit;
        }
        mask |= bits << (place * 8);
    }
    mask
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
