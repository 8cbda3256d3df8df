//! Numbers from a seed, and what was thrown, so that a throw can be taken back.

/// Numbers from a seed, the same on every run (SplitMix64), or from a tape of an earlier throw.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    seed: u64,
    /// What comes instead of numbers from the seed; nothing but zeros after its end.
    tape: Option<std::vec::IntoIter<usize>>,
    thrown: Vec<usize>,
}

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed, tape: None, thrown: Vec::new() }
    }

    /// The dice of one of many statements: whatever was thrown for the others.
    pub(super) fn of(seed: u64, place: u64) -> Self {
        let mut dice = Self::new(seed ^ place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        dice.next();
        dice
    }

    pub(super) fn replay(tape: Vec<usize>) -> Self {
        Self { tape: Some(tape.into_iter()), ..Self::new(0) }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let drawn = match &mut self.tape {
            Some(tape) => tape.next().unwrap_or(0) % bound,
            None => usize::try_from(self.next() % bound as u64).unwrap(),
        };
        self.thrown.push(drawn);
        drawn
    }

    pub(crate) fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// True once in so many throws; never on a tape of zeros.
    pub(super) fn once_in(&mut self, throws: usize) -> bool {
        self.below(throws) == throws - 1
    }

    pub(super) fn signed(&mut self, bound: i64) -> i64 {
        self.below(usize::try_from(2 * bound).unwrap()) as i64 - bound
    }

    /// All throws so far.
    pub(super) fn thrown(self) -> Vec<usize> {
        self.thrown
    }
}

/// A smaller tape that still `holds`, found in at most `tries`: throws are left out, or become zero,
/// in ever smaller pieces.
pub(super) async fn shrunk(
    mut tape: Vec<usize>,
    mut tries: usize,
    holds: impl AsyncFn(&[usize]) -> bool,
) -> Vec<usize> {
    for piece in [64, 16, 4, 1] {
        let mut start = 0;
        while start < tape.len() {
            let end = (start + piece).min(tape.len());
            let without = [&tape[..start], &tape[end..]].concat();
            let mut zeros = tape.clone();
            zeros[start..end].fill(0);
            let mut found = None;
            for smaller in [without, zeros] {
                if smaller == tape || tries == 0 {
                    continue;
                }
                tries -= 1;
                if holds(&smaller).await {
                    found = Some(smaller);
                    break;
                }
            }
            match found {
                Some(smaller) if smaller.len() < tape.len() => tape = smaller,
                Some(smaller) => (tape, start) = (smaller, end),
                None => start = end,
            }
        }
    }
    tape
}

#[tokio::test]
async fn what_does_not_matter_is_left_out() {
    let holds = async |tape: &[usize]| tape.contains(&7) && tape.iter().sum::<usize>() > 9;
    let tape = shrunk(vec![1, 2, 9, 7, 4, 0, 3], 100, holds).await;
    assert_eq!(tape, [9, 7]);
}
