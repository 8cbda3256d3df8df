//! Reading objects: every byte that is handed out was verified against the object's name.
//!
//! Objects of at most one group are read and hashed whole. Of longer ones the groups that a range
//! touches are read, and each is checked against the object's hash tree, which has proved itself
//! by recombining to the object's name. Proved trees are kept, and bytes that are
//! wanted again.

use std::{ops::Range, path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{
    StreamExt as _, TryStreamExt as _,
    stream::{self, BoxStream},
};
use lakebed_core::{ObjectId, StoredObject};
use tokio::io::AsyncWriteExt as _;

use crate::{
    Backend, Error, Found, Result, Store,
    backend::READS_AT_ONCE,
    error::blocking,
    ranges::{check_range, cut, merge, windows},
    tree::{Digest, GROUP, GROUP_BYTES, HashTree, TreeHasher},
};

/// So many bytes are checked where they are read: less time than another thread takes to wake up on a
/// machine that is busy.
const AT_ONCE: usize = 16 * GROUP;

impl Store {
    /// The whole object, verified.
    ///
    /// # Errors
    /// [`Error::Corrupt`] if what is there is not the object; [`Error::NotFound`] if it or its hash
    /// tree is not there.
    pub async fn get(&self, object: &StoredObject) -> Result<Bytes> {
        self.get_range(object, 0..object.size_bytes).await
    }

    /// A part of the object, verified.
    ///
    /// # Errors
    /// As [`Self::get`], and [`Error::OutOfRange`].
    pub async fn get_range(&self, object: &StoredObject, range: Range<u64>) -> Result<Bytes> {
        let bytes = self.get_ranges(object, std::slice::from_ref(&range)).await?;
        Ok(bytes.into_iter().next().expect("one range, one answer"))
    }

    /// Parts of the object, verified, in the order given. Groups that several parts touch are read
    /// once, as are parts so near each other that one read is better than two.
    ///
    /// # Errors
    /// As [`Self::get_range`].
    pub async fn get_ranges(
        &self,
        object: &StoredObject,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let trace = self.backend.trace(&object.id.key());
        let find = |range| trace.and_then(|trace| self.kept.find(object, range, trace));
        let mut answers: Vec<_> = ranges.iter().map(find).collect();
        let missing = |(range, answer): (&Range<u64>, &Option<Bytes>)| {
            answer.is_none().then(|| range.clone())
        };
        let missing: Vec<_> = ranges.iter().zip(&answers).filter_map(missing).collect();
        if !missing.is_empty() {
            let read = self.read_ranges(object, &missing).await;
            self.listener.note(&read);
            let read = missing.iter().zip(read?);
            for (answer, (range, bytes)) in answers.iter_mut().filter(|it| it.is_none()).zip(read) {
                if let Some(trace) = trace {
                    self.kept.offer(object, range, trace, &bytes);
                }
                *answer = Some(bytes);
            }
        }
        Ok(answers.into_iter().map(|answer| answer.expect("kept or read")).collect())
    }

    async fn read_ranges(
        &self,
        object: &StoredObject,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        ranges.iter().try_for_each(|range| check_range(object, range))?;
        if object.size_bytes <= GROUP_BYTES {
            let whole = self.small(object).await?;
            return Ok(ranges.iter().map(|range| cut(&whole, 0, range)).collect());
        }
        let tree = self.tree(object).await?;
        let reads = merge(object.size_bytes, ranges, self.backend.worthwhile_gap());
        let starts: Vec<_> = reads.iter().map(|read| read.start).collect();
        let parts = self.exactly(object.id, object.size_bytes, &reads).await?;
        let parts = self.checked(object, &tree, &starts, parts).await?;
        let answers = ranges.iter().map(|range| {
            if range.is_empty() {
                return Bytes::new();
            }
            let part = starts.partition_point(|start| *start <= range.start) - 1;
            cut(&parts[part], starts[part], range)
        });
        Ok(answers.collect())
    }

    /// A part of the object in pieces of at most 4 MiB, each verified before it is handed out.
    ///
    /// Ends after the first error.
    pub fn stream(
        &self,
        object: &StoredObject,
        range: Range<u64>,
    ) -> BoxStream<'static, Result<Bytes>> {
        let (store, object) = (self.clone(), *object);
        if let Err(error) = check_range(&object, &range) {
            return stream::once(async { Err(error) }).boxed();
        }
        if range.is_empty() {
            // No byte to hand out, but an object that is not there is still an error.
            let read = async move { store.get_range(&object, range).await };
            let nothing = |read: &Result<Bytes>| std::future::ready(read.is_err());
            return stream::once(read).filter(nothing).boxed();
        }
        let pieces = stream::iter(windows(range)).map(move |window| {
            let store = store.clone();
            async move { store.get_range(&object, window).await }
        });
        let until_error = |failed: &mut bool, piece: Result<Bytes>| {
            let ended = std::mem::replace(failed, piece.is_err());
            std::future::ready((!ended).then_some(piece))
        };
        pieces.buffered(2).scan(false, until_error).boxed()
    }

    /// Reads the whole object and its hash tree again, trusting nothing that was proved before.
    ///
    /// # Errors
    /// [`Error::Corrupt`] or [`Error::NotFound`], naming the object or its tree.
    pub async fn verify(&self, object: &StoredObject) -> Result<()> {
        let verified = self.read_again(object).await;
        self.listener.note(&verified);
        verified
    }

    async fn read_again(&self, object: &StoredObject) -> Result<()> {
        let key = object.id.key();
        let found = digest_of_key(&self.backend, &key).await?;
        let digest = found.ok_or_else(|| Error::not_found(&key))?;
        if digest.size_bytes != object.size_bytes {
            return Err(Error::wrong_size(object.id, object.size_bytes, digest.size_bytes));
        }
        if digest.id != object.id {
            return Err(Error::Corrupt { object: object.id, found: Found::Bytes(digest.id) });
        }
        let (Some(tree_id), Some(tree)) = (object.tree, &digest.tree) else { return Ok(()) };
        let stored = self.backend.read(&tree_id.key()).await?;
        let stored = stored.ok_or_else(|| Error::not_found(&tree_id.key()))?;
        match stored == tree.to_bytes() {
            true => Ok(()),
            false => Err(wrong_tree(object, tree_id, &stored)),
        }
    }

    /// A verified copy in [`Self::scratch_dir`], which the caller removes or leaves to the end of
    /// the process.
    ///
    /// # Errors
    /// As [`Self::get`], and [`Error::Full`]; there is no copy then.
    pub async fn copy_to_scratch(&self, object: &StoredObject) -> Result<PathBuf> {
        // It is looked at once: who holds the copy is not known here.
        self.scratch().take(object.size_bytes)?;
        self.scratch().give_back(object.size_bytes);
        let path = self.scratch().fresh_path();
        let copied = self.copy_to(object, &path).await;
        if copied.is_err() {
            // There may be none.
            tokio::fs::remove_file(&path).await.ok();
        }
        copied.map(|()| path)
    }

    async fn copy_to(&self, object: &StoredObject, path: &std::path::Path) -> Result<()> {
        let error = |error| Error::io("write", path, error);
        let mut file = tokio::fs::File::create_new(path).await.map_err(error)?;
        let mut pieces = self.stream(object, 0..object.size_bytes);
        while let Some(piece) = pieces.try_next().await? {
            file.write_all(&piece).await.map_err(error)?;
        }
        file.flush().await.map_err(error)
    }

    /// An object of at most one group, hashed whole.
    async fn small(&self, object: &StoredObject) -> Result<Bytes> {
        let bytes = self.whole(object.id, object.size_bytes).await?;
        match ObjectId::of(&bytes) {
            found if found == object.id => Ok(bytes),
            found => Err(Error::Corrupt { object: object.id, found: Found::Bytes(found) }),
        }
    }

    /// The parts, which are whole groups, when each group was checked.
    async fn checked(
        &self,
        object: &StoredObject,
        tree: &Arc<HashTree>,
        starts: &[u64],
        parts: Vec<Bytes>,
    ) -> Result<Vec<Bytes>> {
        let mismatch = |tree: &HashTree, starts: &[u64], parts: &[Bytes]| {
            let mut at = starts.iter().zip(parts);
            at.find_map(|(start, part)| tree.first_mismatch(*start, part))
        };
        let (found, parts) = match parts.iter().map(Bytes::len).sum::<usize>() <= AT_ONCE {
            true => (mismatch(tree, starts, &parts), parts),
            false => {
                let (tree, starts) = (Arc::clone(tree), starts.to_vec());
                blocking(move || Ok((mismatch(&tree, &starts, &parts), parts))).await?
            }
        };
        match found {
            None => Ok(parts),
            Some(offset) => {
                Err(Error::Corrupt { object: object.id, found: Found::Group { offset } })
            }
        }
    }

    /// The object's hash tree, proved.
    async fn tree(&self, object: &StoredObject) -> Result<Arc<HashTree>> {
        if let Some(tree) = self.trees.find(object.id)
            && tree.size_bytes() == object.size_bytes
        {
            return Ok(tree);
        }
        let tree = Arc::new(match object.tree {
            Some(tree_id) => self.read_tree(object, tree_id).await?,
            None => self.grow_tree(object).await?,
        });
        self.trees.keep(object.id, &tree);
        Ok(tree)
    }

    async fn read_tree(&self, object: &StoredObject, tree_id: ObjectId) -> Result<HashTree> {
        let size_bytes = HashTree::stored_bytes(object.size_bytes);
        let bytes = self.whole(tree_id, size_bytes).await?;
        let proved =
            HashTree::from_bytes(object.size_bytes, &bytes).filter(|tree| tree.root() == object.id);
        proved.ok_or_else(|| wrong_tree(object, tree_id, &bytes))
    }

    /// For an object whose tree nobody named: from all its bytes.
    async fn grow_tree(&self, object: &StoredObject) -> Result<HashTree> {
        let key = object.id.key();
        let found = digest_of_key(&self.backend, &key).await?;
        let digest = found.ok_or_else(|| Error::not_found(&key))?;
        match digest {
            Digest { size_bytes, .. } if size_bytes != object.size_bytes => {
                Err(Error::wrong_size(object.id, object.size_bytes, size_bytes))
            }
            Digest { id, tree: Some(tree), .. } if id == object.id => Ok(tree),
            Digest { id, .. } => Err(Error::Corrupt { object: object.id, found: Found::Bytes(id) }),
        }
    }

    /// All bytes of what is at the key of `id` and should be `size_bytes` long.
    async fn whole(&self, id: ObjectId, size_bytes: u64) -> Result<Bytes> {
        let parts = self.exactly(id, size_bytes, std::slice::from_ref(&(0..size_bytes))).await?;
        Ok(parts.into_iter().next().expect("one range, one part"))
    }

    /// Bytes `ranges` of what is at the key of `id` and should be `size_bytes` long.
    ///
    /// Where a range ends with the object, so must what is there.
    async fn exactly(
        &self,
        id: ObjectId,
        size_bytes: u64,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        let key = id.key();
        // One byte more than there should be.
        let to_the_end = |range: &Range<u64>| match range.end == size_bytes {
            true => range.start..range.end.saturating_add(1),
            false => range.clone(),
        };
        let asked: Vec<_> = ranges.iter().map(to_the_end).collect();
        let read = self.backend.read_ranges(&key, &asked).await?;
        let parts = read.ok_or_else(|| Error::not_found(&key))?;
        let lengths = ranges.iter().map(|range| range.end - range.start);
        if parts.iter().map(|part| part.len() as u64).eq(lengths) {
            return Ok(parts);
        }
        let found = self.backend.size(&key).await?.ok_or_else(|| Error::not_found(&key))?;
        Err(Error::wrong_size(id, size_bytes, found))
    }
}

/// Hashes what is at `key`, whatever it is; nothing if nothing is there.
pub(crate) async fn digest_of_key(backend: &Arc<dyn Backend>, key: &str) -> Result<Option<Digest>> {
    let Some(size_bytes) = backend.size(key).await? else { return Ok(None) };
    let mut pieces = stream::iter(windows(0..size_bytes))
        .map(|window| async move { backend.read_range(key, window).await })
        .buffered(READS_AT_ONCE);
    let mut hasher = TreeHasher::default();
    while let Some(piece) = pieces.try_next().await? {
        let Some(piece) = piece else { return Ok(None) };
        hasher = blocking(move || {
            hasher.update(&piece);
            Ok(hasher)
        })
        .await?;
    }
    Ok(Some(hasher.finish()))
}

fn wrong_tree(object: &StoredObject, tree_id: ObjectId, stored: &[u8]) -> Error {
    match ObjectId::of(stored) {
        // The tree is what its name says, so it is the wrong one.
        found if found == tree_id => {
            Error::Corrupt { object: object.id, found: Found::Tree(tree_id) }
        }
        found => Error::Corrupt { object: tree_id, found: Found::Bytes(found) },
    }
}
