//! The lists of a manifest: shared with the parent, few, in order.

use bytes::Bytes;
use lakebed_core::{
    Derivation, FileEntry, LIST_LIMIT, ListRef, Program, SourceEntry, SourceList, StoredObject,
    TableList, lineage::Lineage, profile::Profile, rows_in_file_at,
};
use lakebed_store::{Store, Trust};

use crate::{Result, cache::Cache};

/// The files of a parent, split where an append goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Split {
    /// Full files, which the new version shares.
    pub(crate) full: Vec<FileEntry>,
    /// The files behind them, whose rows are written again; at most one as we write tables.
    pub(crate) tail: Vec<FileEntry>,
    /// The row the tail starts at.
    pub(crate) start_row: u64,
}

/// Splits `files` behind the last file that is full.
pub(crate) fn split_at_tail(files: Vec<FileEntry>) -> Split {
    let mut start_row = 0;
    let mut full = files;
    let mut count = 0;
    for file in &full {
        if file.row_count != rows_in_file_at(start_row) {
            break;
        }
        start_row += file.row_count;
        count += 1;
    }
    let tail = full.split_off(count);
    Split { full, tail, start_row }
}

/// Lists being written, and every object that came to be.
pub(crate) struct ListWriter<'a> {
    pub(crate) store: &'a Store,
    pub(crate) cache: &'a Cache,
    pub(crate) written: Vec<StoredObject>,
}

impl ListWriter<'_> {
    /// The lists of a table whose files are `full` and then `tail`: the parent's lists as far as
    /// they hold full files alone, one of the full files that came since, and one of the tail.
    pub(crate) async fn tables(
        &mut self,
        parent: &[ListRef],
        full: &[FileEntry],
        tail: &[FileEntry],
    ) -> Result<Vec<ListRef>> {
        let mut lists = Vec::new();
        let mut shared = 0;
        for list in parent {
            let end = shared + usize::try_from(list.entry_count).unwrap_or(usize::MAX);
            if end > full.len() {
                break;
            }
            lists.push(*list);
            shared = end;
        }
        if full.len() > shared {
            lists.push(self.put_tables(&full[shared..]).await?);
        }
        self.merge_tables(&mut lists, LIST_LIMIT - 1).await?;
        if !tail.is_empty() {
            lists.push(self.put_tables(tail).await?);
        }
        Ok(lists)
    }

    /// The parent's lists and one more of `entries`.
    pub(crate) async fn more_tables(
        &mut self,
        parent: &[ListRef],
        entries: &[FileEntry],
    ) -> Result<Vec<ListRef>> {
        let mut lists = parent.to_vec();
        if !entries.is_empty() {
            lists.push(self.put_tables(entries).await?);
        }
        self.merge_tables(&mut lists, LIST_LIMIT).await?;
        Ok(lists)
    }

    /// The parent's lists and one more of `entries`.
    pub(crate) async fn more_sources(
        &mut self,
        parent: &[ListRef],
        entries: &[SourceEntry],
    ) -> Result<Vec<ListRef>> {
        let mut lists = parent.to_vec();
        if !entries.is_empty() {
            lists.push(self.put_sources(entries.to_vec()).await?);
        }
        while let Some(first) = smallest_pair(&lists, LIST_LIMIT) {
            let merged = self.cache.sources(self.store, &lists[first..first + 2]).await?;
            let merged = self.put_sources(merged).await?;
            lists.splice(first..first + 2, [merged]);
        }
        Ok(lists)
    }

    async fn merge_tables(&mut self, lists: &mut Vec<ListRef>, limit: usize) -> Result<()> {
        while let Some(first) = smallest_pair(lists, limit) {
            let merged = self.cache.tables(self.store, &lists[first..first + 2]).await?;
            let merged = self.put_tables(&merged).await?;
            lists.splice(first..first + 2, [merged]);
        }
        Ok(())
    }

    async fn put_tables(&mut self, entries: &[FileEntry]) -> Result<ListRef> {
        let bytes = TableList::new(entries.to_vec()).to_bytes();
        let row_count = entries.iter().map(|entry| entry.row_count).sum();
        self.put(bytes, entries.len(), row_count).await
    }

    async fn put_sources(&mut self, entries: Vec<SourceEntry>) -> Result<ListRef> {
        let rows = |entry: &SourceEntry| entry.accepted.rows + entry.quarantined.rows;
        let row_count = entries.iter().map(rows).sum();
        let count = entries.len();
        self.put(SourceList::new(entries).to_bytes(), count, row_count).await
    }

    async fn put(&mut self, bytes: Vec<u8>, count: usize, row_count: u64) -> Result<ListRef> {
        let object = self.put_object(bytes).await?;
        Ok(ListRef { object, entry_count: count as u64, row_count })
    }

    /// What stands beside the lists.
    pub(crate) async fn put_profile(&mut self, profile: &Profile) -> Result<StoredObject> {
        self.put_object(profile.to_bytes()).await
    }

    /// The same, of what was computed.
    pub(crate) async fn put_derivation(&mut self, derivation: &Derivation) -> Result<StoredObject> {
        self.put_object(derivation.to_bytes()).await
    }

    /// The same, of what it was made of.
    pub(crate) async fn put_lineage(&mut self, lineage: &Lineage) -> Result<StoredObject> {
        self.put_object(lineage.to_bytes()).await
    }

    /// The same, of the program that made it.
    pub(crate) async fn put_program(&mut self, program: &Program) -> Result<StoredObject> {
        self.put_object(program.to_bytes()).await
    }

    async fn put_object(&mut self, bytes: Vec<u8>) -> Result<StoredObject> {
        let object = self.store.put(Bytes::from(bytes), Trust::Unnamed).await?;
        self.written.push(object);
        Ok(object)
    }
}

/// Of more than `limit` lists, the first of the two neighbours that are smallest together: order is
/// kept, and large lists stay shared.
fn smallest_pair(lists: &[ListRef], limit: usize) -> Option<usize> {
    if lists.len() <= limit {
        return None;
    }
    let sizes = lists.windows(2).map(|pair| pair[0].entry_count + pair[1].entry_count);
    sizes.enumerate().min_by_key(|(_, size)| *size).map(|(first, _)| first)
}

#[cfg(test)]
mod tests {
    use lakebed_core::ObjectId;
    use proptest::prelude::*;

    use super::*;

    fn file(row_count: u64) -> FileEntry {
        let id = ObjectId::of(&row_count.to_be_bytes());
        let object = StoredObject { id, size_bytes: 1, tree: None };
        FileEntry { object, row_count, footer_bytes: 1 }
    }

    #[test]
    fn the_tail_is_what_is_not_full() {
        let full = 1 << 19;
        let split = split_at_tail(vec![file(full), file(full), file(7)]);
        assert_eq!((split.full.len(), split.tail.len(), split.start_row), (2, 1, 2 * full));
        let split = split_at_tail(vec![file(full)]);
        assert_eq!((split.full.len(), split.tail.len(), split.start_row), (1, 0, full));
        assert_eq!(split_at_tail(Vec::new()).start_row, 0);
    }

    proptest! {
        /// However many appends, few lists, all files, in order.
        #[test]
        fn lists_stay_few_and_complete(sizes in proptest::collection::vec(1usize..4, 1..120)) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
            runtime.block_on(async {
                let root = "memory://lists".parse().expect("a root");
                let store = Store::open(&root).await.expect("a store");
                let cache = Cache::default();
                let mut writer = ListWriter { store: &store, cache: &cache, written: Vec::new() };
                let mut lists = Vec::new();
                let mut all = Vec::new();
                for (index, size) in sizes.iter().enumerate() {
                    let more: Vec<_> = (0..*size).map(|part| file((index * 10 + part) as u64 + 1)).collect();
                    lists = writer.more_tables(&lists, &more).await.expect("lists");
                    all.extend(more);
                    assert!(lists.len() <= LIST_LIMIT);
                }
                assert_eq!(cache.tables(&store, &lists).await.expect("readable"), all);
            });
        }
    }
}
