//! The hash trees that were proved lately, so that each is fetched and proved once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use lakebed_core::ObjectId;

use crate::tree::HashTree;

/// Room for the trees of about 512 GiB of objects: 64 MiB.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// What an entry costs beside its values.
const ENTRY_BYTES: u64 = 128;

/// Trees by the object that each was proved to belong to.
#[derive(Debug, Default)]
pub(crate) struct ProvedTrees(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    trees: HashMap<ObjectId, (Arc<HashTree>, u64)>,
    size_bytes: u64,
    uses: u64,
}

impl ProvedTrees {
    /// The tree of `object`, if it was proved lately.
    pub(crate) fn find(&self, object: ObjectId) -> Option<Arc<HashTree>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let uses = kept.uses;
        let (tree, used) = kept.trees.get_mut(&object)?;
        *used = uses;
        Some(Arc::clone(tree))
    }

    /// Keeps a tree. The caller has proved that `tree.root()` is `object`.
    pub(crate) fn keep(&self, object: ObjectId, tree: &Arc<HashTree>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.uses += 1;
        let entry = (Arc::clone(tree), kept.uses);
        if kept.trees.insert(object, entry).is_none() {
            kept.size_bytes += cost(tree);
        }
        if kept.size_bytes > MOST_BYTES {
            kept.forget_older_half();
        }
    }
}

impl Kept {
    fn forget_older_half(&mut self) {
        let mut by_use: Vec<_> = self.trees.iter().map(|(id, (_, used))| (*used, *id)).collect();
        by_use.sort_unstable();
        for (_, object) in by_use {
            if self.size_bytes <= MOST_BYTES / 2 {
                return;
            }
            if let Some((tree, _)) = self.trees.remove(&object) {
                self.size_bytes -= cost(&tree);
            }
        }
    }
}

fn cost(tree: &HashTree) -> u64 {
    HashTree::stored_bytes(tree.size_bytes()) + ENTRY_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::GROUP_BYTES;

    /// The cache forgets the trees that were used least lately, and stays within its bounds.
    #[test]
    fn old_trees_make_room() {
        let trees = ProvedTrees::default();
        let id = |number: u32| ObjectId::of(&number.to_le_bytes());
        let groups = 1 << 18;
        let tree = Arc::new(HashTree::new(groups * GROUP_BYTES, vec![[7; 32]; groups as usize]));
        for number in 0..40 {
            trees.keep(id(number), &tree);
            assert!(trees.find(id(0)).is_some(), "used all the time");
            assert!(trees.0.lock().unwrap().size_bytes <= MOST_BYTES);
        }
        assert!(trees.find(id(39)).is_some());
        assert!(trees.find(id(1)).is_none());
        let kept = trees.0.lock().unwrap();
        assert_eq!(kept.trees.len() as u64 * cost(&tree), kept.size_bytes);
    }
}
