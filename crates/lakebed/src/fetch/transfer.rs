//! Bringing one file: every byte is hashed on its way, and only the right bytes get a place.

use std::{
    fs::{self, File, OpenOptions},
    future::Future,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::{StreamExt as _, stream::BoxStream};
use lakebed_api::FileLink;
use lakebed_core::ObjectId;

use super::place::{BUFFER, hash_file, update};
use crate::problem::{Exit, Problem, Result};

/// Where bytes come from.
pub(crate) trait Origin: Sync {
    /// The file itself, when it is on this machine and may be read directly.
    fn local(&self, link: &FileLink) -> Option<PathBuf>;

    /// The bytes of `link` from `offset` on.
    fn read_from(
        &self,
        link: &FileLink,
        offset: u64,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<Bytes>>>>;
}

/// Hears of bytes as they arrive.
pub(crate) type OnBytes = Arc<dyn Fn(u64) + Send + Sync>;

/// How often a transfer that broke off is taken up again.
const ATTEMPTS: u32 = 3;

/// Brings the bytes of `link` into `unfinished`, complete and verified. What is there already is
/// taken for a beginning of it. `on_bytes` hears of bytes as they arrive.
///
/// # Errors
/// Exit code 6 when the bytes are not those of the digest; the file is removed then.
pub(crate) async fn bring(
    origin: &impl Origin,
    link: &FileLink,
    unfinished: &Path,
    on_bytes: &OnBytes,
) -> Result<()> {
    if let Some(path) = origin.local(link) {
        return copy_on_a_thread(path, link, unfinished, on_bytes).await;
    }
    let resumed = download(origin, link, unfinished, on_bytes).await;
    match resumed {
        // What was left by an earlier fetch may have been the bad part: once more from the start.
        Err(problem) if problem.exit == Exit::Damaged => {
            download(origin, link, unfinished, on_bytes).await
        }
        other => other,
    }
}

async fn copy_on_a_thread(
    from: PathBuf,
    link: &FileLink,
    to: &Path,
    on_bytes: &OnBytes,
) -> Result<()> {
    let (link, to, on_bytes) = (link.clone(), to.to_owned(), Arc::clone(on_bytes));
    let work = tokio::task::spawn_blocking(move || copy(&from, &link, &to, &on_bytes));
    work.await.unwrap_or_else(|_| Err(Problem::internal("copying a file failed")))
}

/// A reflink where the file system has them, else a copy; never a hard link, through which a user's
/// edit would reach the lake. Blocking.
fn copy(from: &Path, link: &FileLink, to: &Path, on_bytes: &OnBytes) -> Result<()> {
    let _ = fs::remove_file(to);
    let mut hasher = blake3::Hasher::new();
    if reflink_copy::reflink(from, to).is_ok() {
        on_bytes(hash_file(to, &mut hasher)?);
    } else {
        let _ = fs::remove_file(to);
        copy_hashed(from, to, &mut hasher, on_bytes)?;
    }
    finish(to, link, &hasher)
}

fn copy_hashed(
    from: &Path,
    to: &Path,
    hasher: &mut blake3::Hasher,
    on_bytes: &OnBytes,
) -> Result<()> {
    let mut source = File::open(from).map_err(|error| Problem::io("read", from, &error))?;
    let mut target = File::create_new(to).map_err(|error| Problem::io("write", to, &error))?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = io::Read::read(&mut source, &mut buffer)
            .map_err(|error| Problem::io("read", from, &error))?;
        if length == 0 {
            return Ok(());
        }
        update(hasher, &buffer[..length]);
        target.write_all(&buffer[..length]).map_err(|error| Problem::io("write", to, &error))?;
        on_bytes(length as u64);
    }
}

async fn download(
    origin: &impl Origin,
    link: &FileLink,
    unfinished: &Path,
    on_bytes: &OnBytes,
) -> Result<()> {
    let mut part = tokio::task::block_in_place(|| Part::open(unfinished, link.size_bytes))?;
    on_bytes(part.length);
    let mut attempt = 1;
    while part.length < link.size_bytes {
        let before = part.length;
        match part.receive(origin, link, on_bytes).await {
            Ok(()) => {}
            // Progress was made: the way works, so taking it up again may help.
            Err(problem) if problem.may_pass() && part.length > before => {}
            Err(problem) if problem.may_pass() && attempt < ATTEMPTS => attempt += 1,
            Err(problem) => return Err(problem),
        }
        if part.length == before && attempt >= ATTEMPTS {
            let message = format!("object `{}` broke off, {ATTEMPTS} times", link.object);
            return Err(Problem::new(Exit::Unavailable, "unavailable", message)
                .hint("run the same command again: it goes on where it stopped"));
        }
        attempt += u32::from(part.length == before);
    }
    tokio::task::block_in_place(|| finish(unfinished, link, &part.hasher))
}

/// A file that grows, and the hash of what it holds.
struct Part {
    file: File,
    path: PathBuf,
    hasher: blake3::Hasher,
    length: u64,
}

impl Part {
    /// What is there counts, unless it is longer than it can be. Blocking.
    fn open(path: &Path, limit: u64) -> Result<Self> {
        let failed = |error: &io::Error| Problem::io("write", path, error);
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file() || found.len() > limit) {
            fs::remove_file(path).map_err(|error| failed(&error))?;
        }
        let mut options = OpenOptions::new();
        let file = options.append(true).create(true).open(path).map_err(|error| failed(&error))?;
        let mut hasher = blake3::Hasher::new();
        let length = hash_file(path, &mut hasher)?;
        Ok(Self { file, path: path.to_owned(), hasher, length })
    }

    async fn receive(
        &mut self,
        origin: &impl Origin,
        link: &FileLink,
        on_bytes: &OnBytes,
    ) -> Result<()> {
        let mut stream = origin.read_from(link, self.length).await?;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            if self.length + chunk.len() as u64 > link.size_bytes {
                let _ = fs::remove_file(&self.path);
                return Err(Problem::damaged(format!(
                    "object `{}` is longer than {} bytes",
                    link.object, link.size_bytes
                )));
            }
            tokio::task::block_in_place(|| self.append(&chunk))?;
            on_bytes(chunk.len() as u64);
        }
        Ok(())
    }

    fn append(&mut self, chunk: &[u8]) -> Result<()> {
        self.file.write_all(chunk).map_err(|error| Problem::io("write", &self.path, &error))?;
        self.hasher.update(chunk);
        self.length += chunk.len() as u64;
        Ok(())
    }
}

/// Makes the file durable if it is what it should be, else removes it. Blocking.
fn finish(path: &Path, link: &FileLink, hasher: &blake3::Hasher) -> Result<()> {
    let found = ObjectId::from_bytes(*hasher.finalize().as_bytes());
    if found != link.object {
        let _ = fs::remove_file(path);
        let message = format!("object `{}` is corrupt: its bytes hash to `{found}`", link.object);
        return Err(Problem::damaged(message).hint(
            "`lakebed verify` names every version it touches; nothing was put in its place",
        ));
    }
    let file = OpenOptions::new().append(true).open(path);
    file.and_then(|file| file.sync_all()).map_err(|error| Problem::io("write", path, &error))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::stream;

    use super::*;

    /// Serves `bytes`, but each time no more than `at_most` of them, and notes where it was asked
    /// to begin.
    struct Flaky {
        bytes: Vec<u8>,
        at_most: usize,
        asked: Mutex<Vec<u64>>,
        local: Option<PathBuf>,
    }

    impl Flaky {
        fn new(bytes: &[u8], at_most: usize) -> Self {
            Self { bytes: bytes.to_vec(), at_most, asked: Mutex::default(), local: None }
        }

        fn asked(&self) -> Vec<u64> {
            self.asked.lock().expect("no test panicked").clone()
        }
    }

    impl Origin for Flaky {
        fn local(&self, _link: &FileLink) -> Option<PathBuf> {
            self.local.clone()
        }

        async fn read_from(
            &self,
            _link: &FileLink,
            offset: u64,
        ) -> Result<BoxStream<'static, Result<Bytes>>> {
            self.asked.lock().expect("no test panicked").push(offset);
            let start = usize::try_from(offset).expect("small");
            let end = self.bytes.len().min(start + self.at_most);
            let whole = Bytes::copy_from_slice(&self.bytes[start..end]);
            let mut items = vec![Ok(whole)];
            if end < self.bytes.len() {
                items.push(Err(Problem::new(Exit::Unavailable, "unavailable", "cut")));
            }
            Ok(stream::iter(items).boxed())
        }
    }

    fn link(bytes: &[u8]) -> FileLink {
        FileLink {
            url: String::new(),
            object: ObjectId::of(bytes),
            size_bytes: bytes.len() as u64,
            row_count: None,
            name: None,
        }
    }

    fn nobody() -> OnBytes {
        Arc::new(|_| {})
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cut_connection_is_taken_up_where_it_broke() {
        let folder = folder();
        let path = folder.path().join("x.part");
        let origin = Flaky::new(b"0123456789", 4);
        bring(&origin, &link(b"0123456789"), &path, &nobody()).await.expect("whole");
        assert_eq!(fs::read(&path).expect("there"), b"0123456789");
        assert_eq!(origin.asked(), [0, 4, 8]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_an_earlier_fetch_left_is_not_asked_for_again() {
        let folder = folder();
        let path = folder.path().join("x.part");
        fs::write(&path, b"01234").expect("writable");
        let origin = Flaky::new(b"0123456789", 100);
        bring(&origin, &link(b"0123456789"), &path, &nobody()).await.expect("whole");
        assert_eq!(origin.asked(), [5]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_bad_beginning_costs_one_more_attempt_and_no_more() {
        let folder = folder();
        let path = folder.path().join("x.part");
        fs::write(&path, b"0X234").expect("writable");
        let origin = Flaky::new(b"0123456789", 100);
        bring(&origin, &link(b"0123456789"), &path, &nobody()).await.expect("whole");
        assert_eq!(origin.asked(), [5, 0]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn wrong_bytes_get_no_place() {
        let folder = folder();
        let path = folder.path().join("x.part");
        let origin = Flaky::new(b"012345678X", 100);
        let problem =
            bring(&origin, &link(b"0123456789"), &path, &nobody()).await.expect_err("corrupt");
        assert_eq!(problem.exit, Exit::Damaged);
        assert!(!path.exists());

        let long = Flaky::new(b"0123456789and more", 100);
        bring(&long, &link(b"0123456789"), &path, &nobody()).await.expect_err("too long");
        assert!(!path.exists());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_source_that_never_answers_is_given_up() {
        let folder = folder();
        let origin = Flaky::new(b"0123456789", 0);
        let path = folder.path().join("x.part");
        let problem =
            bring(&origin, &link(b"0123456789"), &path, &nobody()).await.expect_err("silent");
        assert_eq!(problem.exit, Exit::Unavailable);
        assert!(origin.asked().len() <= 4);
    }

    /// A user's edit of a fetched file must not reach the lake.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_local_file_is_copied_and_never_linked() {
        let folder = folder();
        let original = folder.path().join("object");
        fs::write(&original, b"0123456789").expect("writable");
        let mut origin = Flaky::new(b"", 0);
        origin.local = Some(original.clone());
        let path = folder.path().join("x.part");
        bring(&origin, &link(b"0123456789"), &path, &nobody()).await.expect("whole");
        fs::write(&path, b"edited").expect("ours to edit");
        assert_eq!(fs::read(&original).expect("there"), b"0123456789");

        fs::write(&original, b"012345678X").expect("writable");
        let problem =
            bring(&origin, &link(b"0123456789"), &path, &nobody()).await.expect_err("corrupt");
        assert_eq!(problem.exit, Exit::Damaged);
    }
}
