//! Reading files once, at the speed of the disk: copying and hashing in the same pass.
//!
//! A few threads take 1 MiB blocks in turn; each reads its block, writes it to scratch and hashes
//! its groups while the block is still in the processor's cache. Everything here blocks.
//!
//! The digest is always that of the bytes that were copied, whatever happens to the source.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    num::NonZero,
    os::unix::fs::{FileExt as _, FileTypeExt as _, OpenOptionsExt as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use blake3::hazmat::ChainingValue;
use rustix::fs::OFlags;

use crate::{
    Error, Result,
    tree::{Digest, GROUP, GROUP_BYTES, HashTree, TreeHasher, group_value},
};

/// What one thread reads, writes and hashes at a time.
const BLOCK: usize = 4 * GROUP;

/// More threads than this do not make a disk faster.
const MOST_THREADS: usize = 8;

/// A file that is read, with the path it is known by.
pub(crate) struct Source<'a> {
    file: File,
    path: &'a Path,
    size_bytes: u64,
}

impl<'a> Source<'a> {
    /// Opens a regular file. A pipe or a device is refused without being read, and without waiting.
    pub(crate) fn open(path: &'a Path) -> Result<Self> {
        let error = |error| Error::io("read", path, error);
        check_regular(path, fs::metadata(path).map_err(error)?.file_type())?;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlags::NONBLOCK.bits() as i32);
        let file = options.open(path).map_err(error)?;
        let metadata = file.metadata().map_err(error)?;
        check_regular(path, metadata.file_type())?;
        Ok(Self { file, path, size_bytes: metadata.len() })
    }

    /// How long it was when it was opened; 0 where that is not known beforehand.
    pub(crate) const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Copies the file to `sink`, which is new and empty; shares the bytes where the file system can.
    pub(crate) fn copy_to(
        &self,
        sink: &File,
        sink_path: &Path,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<Digest> {
        if reflink_copy::reflink_file(&self.file, sink).is_ok() {
            return Source::of_sink(sink, sink_path)?.hash(on_bytes);
        }
        self.pass(Some((sink, sink_path)), on_bytes)
    }

    /// Hashes the file.
    pub(crate) fn hash(&self, on_bytes: &(dyn Fn(u64) + Sync)) -> Result<Digest> {
        self.pass(None, on_bytes)
    }

    fn of_sink(sink: &File, path: &'a Path) -> Result<Self> {
        let error = |error| Error::io("read", path, error);
        let file = File::open(path).map_err(error)?;
        let size_bytes = sink.metadata().map_err(error)?.len();
        Ok(Self { file, path, size_bytes })
    }

    fn pass(
        &self,
        sink: Option<(&File, &Path)>,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<Digest> {
        match self.size_bytes {
            0 => self.pass_unsized(sink, on_bytes),
            1..=GROUP_BYTES => self.pass_small(sink, on_bytes),
            _ => self.pass_blocks(sink, on_bytes),
        }
    }

    /// Files whose length is not known beforehand say 0, as in `/proc`.
    fn pass_unsized(
        &self,
        sink: Option<(&File, &Path)>,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<Digest> {
        let mut hasher = TreeHasher::default();
        let mut block = vec![0; GROUP];
        loop {
            let read = match (&self.file).read(&mut block) {
                Ok(0) => return Ok(hasher.finish()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Error::io("read", self.path, error)),
            };
            if let Some((mut file, path)) = sink {
                file.write_all(&block[..read]).map_err(|error| Error::io("write", path, error))?;
            }
            hasher.update(&block[..read]);
            on_bytes(read as u64);
        }
    }

    fn pass_small(
        &self,
        sink: Option<(&File, &Path)>,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<Digest> {
        let mut bytes = vec![0; self.size_bytes as usize];
        self.copy_block(&mut bytes, 0, sink)?;
        on_bytes(self.size_bytes);
        Ok(Digest::of(&bytes))
    }

    fn pass_blocks(
        &self,
        sink: Option<(&File, &Path)>,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<Digest> {
        self.prepare(sink)?;
        let groups = usize::try_from(self.size_bytes.div_ceil(GROUP_BYTES));
        let groups = groups.expect("a file's hash tree fits in the address space");
        let mut values: Vec<ChainingValue> = vec![[0; 32]; groups];
        let blocks = Mutex::new(values.chunks_mut(BLOCK / GROUP).enumerate());
        // A function, so that the lock is free again before the block is read.
        let next_block = || lock(&blocks).next();
        let work = || {
            let mut block = vec![0; BLOCK];
            while let Some((index, values)) = next_block() {
                let done = self.pass_block(index as u64, values, &mut block, sink, on_bytes);
                if done.is_err() {
                    // Nothing is left for the others, so they stop too.
                    lock(&blocks).by_ref().for_each(drop);
                    return done;
                }
            }
            Ok(())
        };
        run_on(threads(groups), &work)?;
        Ok(Digest::of_tree(HashTree::new(self.size_bytes, values)))
    }

    fn pass_block(
        &self,
        index: u64,
        values: &mut [ChainingValue],
        block: &mut [u8],
        sink: Option<(&File, &Path)>,
        on_bytes: &(dyn Fn(u64) + Sync),
    ) -> Result<()> {
        let offset = index * BLOCK as u64;
        let length = (self.size_bytes - offset).min(BLOCK as u64);
        let bytes = &mut block[..length as usize];
        self.copy_block(bytes, offset, sink)?;
        for (group_index, (value, group)) in values.iter_mut().zip(bytes.chunks(GROUP)).enumerate()
        {
            *value = group_value(offset + (group_index * GROUP) as u64, group);
        }
        on_bytes(length);
        Ok(())
    }

    fn copy_block(&self, bytes: &mut [u8], at: u64, sink: Option<(&File, &Path)>) -> Result<()> {
        self.file.read_exact_at(bytes, at).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::Changed { path: self.path.to_owned() },
            _ => Error::io("read", self.path, error),
        })?;
        let Some((file, path)) = sink else { return Ok(()) };
        file.write_all_at(bytes, at).map_err(|error| Error::io("write", path, error))
    }

    /// Reads ahead, and finds out now rather than in ten minutes that there is no room.
    fn prepare(&self, sink: Option<(&File, &Path)>) -> Result<()> {
        #[cfg(target_os = "linux")]
        {
            use rustix::{fs, io::Errno};
            // Only advice.
            fs::fadvise(&self.file, 0, NonZero::new(self.size_bytes), fs::Advice::Sequential).ok();
            let Some((file, path)) = sink else { return Ok(()) };
            let room = fs::fallocate(file, fs::FallocateFlags::empty(), 0, self.size_bytes);
            // Not every file system can; any other error will come again with the first write.
            if let Err(error @ (Errno::NOSPC | Errno::DQUOT)) = room {
                return Err(Error::io("write", path, error.into()));
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = sink;
        Ok(())
    }
}

/// Refuses what is no regular file, and says what it is.
pub(crate) fn check_regular(path: &Path, kind: fs::FileType) -> Result<()> {
    let found = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    };
    Err(Error::NotAFile { path: path.to_owned(), found })
}

fn threads(groups: usize) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    cores.min(MOST_THREADS).min(groups.div_ceil(BLOCK / GROUP))
}

/// Runs `work` on this thread and on `threads - 1` others; gives the first error.
fn run_on(threads: usize, work: &(dyn Fn() -> Result<()> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let ours = work();
        let others = others.into_iter().map(|other| match other.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        others.fold(ours, Result::and)
    })
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use lakebed_core::ObjectId;

    use super::*;

    fn bytes(length: usize) -> Vec<u8> {
        (0..length).map(|index| (index % 249) as u8).collect()
    }

    fn copy(bytes: &[u8]) -> (Digest, Vec<u8>, u64) {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, bytes).unwrap();
        let sink = File::create_new(&to).unwrap();
        let progress = AtomicU64::new(0);
        let on_bytes = |count| {
            progress.fetch_add(count, Ordering::Relaxed);
        };
        let digest = Source::open(&from).unwrap().copy_to(&sink, &to, &on_bytes).unwrap();
        let hashed = Source::open(&from).unwrap().hash(&|_| ()).unwrap();
        assert_eq!(digest, hashed);
        (digest, fs::read(&to).unwrap(), progress.into_inner())
    }

    /// Copies of every length around a border are equal, and named as `b3sum` names them.
    #[test]
    fn what_was_copied_is_what_was_hashed() {
        let around = [GROUP, BLOCK, 2 * BLOCK, 5 * BLOCK + 77];
        let lengths = around.into_iter().flat_map(|length| [length - 1, length, length + 1]);
        for length in [0, 1, 255 * 1024, 2 * GROUP, 5 * GROUP + 77].into_iter().chain(lengths) {
            let bytes = bytes(length);
            let (digest, copied, progress) = copy(&bytes);
            assert_eq!(digest, Digest::of(&bytes));
            assert_eq!(digest.id, ObjectId::of(&bytes));
            assert!(copied == bytes, "{length}");
            assert_eq!(progress, length as u64);
        }
    }

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let refusal = |path: &Path| match Source::open(path) {
            Err(Error::NotAFile { found, .. }) => found,
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("opened"),
        };
        assert_eq!(refusal(folder.path()), "a folder");
        assert_eq!(refusal(&pipe), "a pipe");
        assert_eq!(refusal(&socket), "a socket");
        assert_eq!(refusal(Path::new("/dev/zero")), "a device");
        let missing = folder.path().join("missing");
        assert!(matches!(Source::open(&missing), Err(Error::NotFound { .. })));
    }

    /// A file that loses bytes under our eyes is not stored shorter than it was.
    #[test]
    fn a_file_that_shrinks_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, bytes(3 * BLOCK)).unwrap();
        let source = Source::open(&path).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().set_len(BLOCK as u64).unwrap();
        assert!(matches!(source.hash(&|_| ()), Err(Error::Changed { .. })));
    }

    /// A file that grows is stored as it was when it was opened.
    #[test]
    fn a_file_that_grows_is_read_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, bytes(2 * BLOCK)).unwrap();
        let source = Source::open(&path).unwrap();
        fs::write(&path, bytes(3 * BLOCK)).unwrap();
        assert_eq!(source.hash(&|_| ()).unwrap(), Digest::of(&bytes(2 * BLOCK)));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_file_that_hides_its_length_is_read_whole() {
        let path = Path::new("/proc/self/maps");
        assert_eq!(fs::metadata(path).unwrap().len(), 0);
        assert!(Source::open(path).unwrap().hash(&|_| ()).unwrap().size_bytes > 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("from");
        let full = Path::new("/dev/full");
        for length in [10, 2 * BLOCK] {
            fs::write(&path, bytes(length)).unwrap();
            let sink = OpenOptions::new().write(true).open(full).unwrap();
            let copied = Source::open(&path).unwrap().copy_to(&sink, full, &|_| ());
            assert!(matches!(copied, Err(Error::Full { path, .. }) if path == full));
        }
    }
}
