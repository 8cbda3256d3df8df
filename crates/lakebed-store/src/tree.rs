//! The hash tree of an object: what lets a part of it be verified without the rest.
//!
//! BLAKE3 is a binary tree over 1 KiB chunks. We keep one level of it: the chaining value of every
//! 256 KiB *group*, 32 bytes each, in order and nothing else. Merged upwards they give the root,
//! which is the object's name; so a tree proves itself, and then each group can be checked alone.
//!
//! Objects of at most one group have no tree: they are hashed whole.

use blake3::{
    Hasher,
    hazmat::{
        ChainingValue, HasherExt as _, Mode, left_subtree_len, merge_subtrees_non_root,
        merge_subtrees_root,
    },
};
use bytes::Bytes;
use lakebed_core::{ObjectId, StoredObject};
use rayon::prelude::*;

/// The bytes that are verified together: 256 KiB.
pub const GROUP_BYTES: u64 = 256 * 1024;

/// [`GROUP_BYTES`], to cut slices with.
pub(crate) const GROUP: usize = GROUP_BYTES as usize;

/// The length of a chaining value.
pub(crate) const VALUE_BYTES: u64 = 32;

/// Below this many bytes, handing groups to other threads costs more than it gains.
const PARALLEL: usize = 4 * 1024 * 1024;

/// The chaining values of an object of more than one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HashTree {
    size_bytes: u64,
    values: Vec<ChainingValue>,
}

impl HashTree {
    /// Wraps the values of an object of `size_bytes`, one per group.
    pub(crate) fn new(size_bytes: u64, values: Vec<ChainingValue>) -> Self {
        assert!(size_bytes > GROUP_BYTES, "one group has no tree");
        assert_eq!(values.len() as u64, size_bytes.div_ceil(GROUP_BYTES), "one value per group");
        Self { size_bytes, values }
    }

    /// Reads a stored tree; nothing if it has not one value per group.
    pub(crate) fn from_bytes(size_bytes: u64, bytes: &[u8]) -> Option<Self> {
        if bytes.len() as u64 != Self::stored_bytes(size_bytes) {
            return None;
        }
        let values = bytes.chunks_exact(VALUE_BYTES as usize);
        let values = values.map(|value| value.try_into().expect("chunks are of 32 bytes"));
        Some(Self::new(size_bytes, values.collect()))
    }

    /// How long the stored tree of an object of `size_bytes` is.
    pub(crate) const fn stored_bytes(size_bytes: u64) -> u64 {
        size_bytes.div_ceil(GROUP_BYTES) * VALUE_BYTES
    }

    /// The bytes that are stored.
    pub(crate) fn to_bytes(&self) -> Bytes {
        self.values.as_flattened().to_vec().into()
    }

    /// The length of the object.
    pub(crate) const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The name of the object whose tree this is.
    pub(crate) fn root(&self) -> ObjectId {
        let (left, right) = halves(&self.values, self.size_bytes);
        ObjectId::from_bytes(merge_subtrees_root(&left, &right, Mode::Hash).into())
    }

    /// The first group of `bytes`, which start at `offset`, that is not the object's.
    ///
    /// `offset` is a group's start; `bytes` are whole groups or end where the object ends.
    pub(crate) fn first_mismatch(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let first = usize::try_from(offset / GROUP_BYTES).expect("values are in memory");
        let expected = &self.values[first..];
        let differs = |(index, group): &(usize, &[u8])| {
            expected.get(*index) != Some(&group_value(offset + (index * GROUP) as u64, group))
        };
        let found = match bytes.len() < PARALLEL {
            true => bytes.chunks(GROUP).enumerate().find(differs),
            false => bytes.par_chunks(GROUP).enumerate().find_first(differs),
        };
        found.map(|(index, _)| offset + (index * GROUP) as u64)
    }
}

/// The chaining value of the group at `offset`, which must not be the only one of its object.
pub(crate) fn group_value(offset: u64, group: &[u8]) -> ChainingValue {
    let mut hasher = Hasher::new();
    hasher.set_input_offset(offset).update(group);
    hasher.finalize_non_root()
}

fn halves(values: &[ChainingValue], size_bytes: u64) -> (ChainingValue, ChainingValue) {
    let left_bytes = left_subtree_len(size_bytes);
    let (left, right) = values.split_at((left_bytes / GROUP_BYTES) as usize);
    (subtree(left, left_bytes), subtree(right, size_bytes - left_bytes))
}

fn subtree(values: &[ChainingValue], size_bytes: u64) -> ChainingValue {
    if let [value] = values {
        return *value;
    }
    let (left, right) = halves(values, size_bytes);
    merge_subtrees_non_root(&left, &right, Mode::Hash)
}

/// What hashing some bytes gave: their name, their length, and their tree if they have one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) id: ObjectId,
    pub(crate) size_bytes: u64,
    pub(crate) tree: Option<HashTree>,
}

impl Digest {
    /// Hashes bytes that are in memory.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut hasher = TreeHasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    /// From the tree of an object of more than one group.
    pub(crate) fn of_tree(tree: HashTree) -> Self {
        Self { id: tree.root(), size_bytes: tree.size_bytes, tree: Some(tree) }
    }

    /// The same as the catalog keeps it.
    pub(crate) fn object(&self) -> StoredObject {
        let tree = self.tree.as_ref().map(|tree| ObjectId::of(&tree.to_bytes()));
        StoredObject { id: self.id, size_bytes: self.size_bytes, tree }
    }
}

/// Hashes bytes as they come, in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct TreeHasher {
    values: Vec<ChainingValue>,
    group: Hasher,
    size_bytes: u64,
}

impl TreeHasher {
    /// Takes in the next bytes. Many groups at once are hashed in parallel.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let filled = (self.size_bytes % GROUP_BYTES) as usize;
            if filled == 0 && bytes.len() >= PARALLEL {
                bytes = self.update_groups(bytes);
                continue;
            }
            self.start_group(filled);
            let (now, later) = bytes.split_at(bytes.len().min(GROUP - filled));
            self.group.update(now);
            self.size_bytes += now.len() as u64;
            bytes = later;
        }
    }

    /// Hashes the whole groups that `bytes` start with, but for the last; returns what is left.
    fn update_groups<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        self.start_group(0);
        let whole = (bytes.len() - 1) / GROUP * GROUP;
        let (now, later) = bytes.split_at(whole);
        let start = self.size_bytes;
        let values = now.par_chunks(GROUP).enumerate();
        let values =
            values.map(|(index, group)| group_value(start + (index * GROUP) as u64, group));
        self.values.par_extend(values);
        self.size_bytes += whole as u64;
        self.next_group();
        later
    }

    /// Ends the full group before the next byte, once it is known that there is one.
    fn start_group(&mut self, filled: usize) {
        if filled == 0 && self.group.count() == GROUP_BYTES {
            self.values.push(self.group.finalize_non_root());
            self.next_group();
        }
    }

    fn next_group(&mut self) {
        self.group = Hasher::new();
        self.group.set_input_offset(self.size_bytes);
    }

    /// The digest of everything taken in.
    pub(crate) fn finish(mut self) -> Digest {
        if self.size_bytes <= GROUP_BYTES {
            let id = ObjectId::from_bytes(self.group.finalize().into());
            return Digest { id, size_bytes: self.size_bytes, tree: None };
        }
        self.values.push(self.group.finalize_non_root());
        Digest::of_tree(HashTree::new(self.size_bytes, self.values))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 251) as u8).collect()
    }

    fn assert_digest(bytes: &[u8], digest: &Digest) {
        assert_eq!(digest.id, ObjectId::of(bytes));
        assert_eq!(digest.size_bytes, bytes.len() as u64);
        assert_eq!(digest.tree.is_some(), bytes.len() > GROUP);
    }

    /// The tree of every length around a border recombines to what `b3sum` says.
    #[test]
    fn the_root_is_the_plain_digest() {
        let around = [1, 2, 3, 4, 5, 8, 9, 16, 17, 33].map(|groups| groups * GROUP);
        let lengths = around.into_iter().flat_map(|length| [length - 1, length, length + 1]);
        for length in
            [0, 1, 1023, 1024, 1025, 255 * 1024, 5 * GROUP + 77].into_iter().chain(lengths)
        {
            let bytes = bytes(length);
            assert_digest(&bytes, &Digest::of(&bytes));
        }
    }

    #[test]
    fn a_stored_tree_is_read_back() {
        let digest = Digest::of(&bytes(5 * GROUP + 77));
        let tree = digest.tree.unwrap();
        let stored = tree.to_bytes();
        assert_eq!(stored.len() as u64, HashTree::stored_bytes(tree.size_bytes()));
        assert_eq!(HashTree::from_bytes(tree.size_bytes(), &stored), Some(tree));
        assert_eq!(HashTree::from_bytes(5 * GROUP_BYTES, &stored), None);
        assert_eq!(HashTree::from_bytes(6 * GROUP_BYTES, &stored[1..]), None);
    }

    #[test]
    fn a_changed_group_is_found_alone() {
        let mut bytes = bytes(40 * GROUP + 5);
        let tree = Digest::of(&bytes).tree.unwrap();
        assert_eq!(tree.first_mismatch(0, &bytes), None);
        assert_eq!(tree.first_mismatch(3 * GROUP_BYTES, &bytes[3 * GROUP..5 * GROUP]), None);
        bytes[21 * GROUP + 9] ^= 4;
        assert_eq!(tree.first_mismatch(0, &bytes), Some(21 * GROUP_BYTES));
        assert_eq!(
            tree.first_mismatch(20 * GROUP_BYTES, &bytes[20 * GROUP..23 * GROUP]),
            Some(21 * GROUP_BYTES)
        );
        assert_eq!(tree.first_mismatch(0, &bytes[..21 * GROUP]), None);
        assert_eq!(tree.first_mismatch(40 * GROUP_BYTES, &bytes[40 * GROUP..]), None);
        assert_eq!(
            tree.first_mismatch(40 * GROUP_BYTES, &bytes[40 * GROUP..40 * GROUP + 4]),
            Some(40 * GROUP_BYTES)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// However the bytes arrive, the digest is theirs.
        #[test]
        fn pieces_do_not_matter(
            length in 0..20 * GROUP,
            pieces in prop::collection::vec(1..6 * 1024 * 1024_usize, 1..12),
        ) {
            let bytes = bytes(length);
            let mut hasher = TreeHasher::default();
            let mut rest = bytes.as_slice();
            for piece in pieces.iter().cycle() {
                let (now, later) = rest.split_at(rest.len().min(*piece));
                hasher.update(now);
                rest = later;
                if rest.is_empty() { break; }
            }
            let digest = hasher.finish();
            assert_digest(&bytes, &digest);
            prop_assert_eq!(digest, Digest::of(&bytes));
        }
    }
}
