//! From files and pipes of this machine to bytes that are sent, and sent again where they got lost.
//!
//! A file is read again wherever that is needed; of a pipe only what was read last is still here.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path, sync::Arc};

use bytes::Bytes;
use lakebed_client::{BoxError, UploadSource};
use lakebed_core::ObjectId;
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::problem::{Problem, Result};

/// A regular file, as long as it was when it was found.
pub(crate) struct FileBytes {
    file: Arc<File>,
    size_bytes: u64,
    hashed: Hashed,
}

/// Bytes that come once.
pub(crate) struct PipeBytes<R> {
    pipe: R,
    last: Bytes,
    hashed: Hashed,
}

/// The digest of bytes that come in order.
#[derive(Default)]
struct Hashed {
    hasher: Box<blake3::Hasher>,
    end: u64,
    is_whole: bool,
}

impl Hashed {
    /// Takes the bytes at `offset`; those that were taken before are passed over.
    fn take(&mut self, offset: u64, bytes: &[u8], is_last: bool) {
        if offset == 0 {
            *self = Self::default();
        }
        if offset == self.end {
            self.hasher.update(bytes);
            self.end += bytes.len() as u64;
            self.is_whole = is_last;
        }
    }

    fn digest(&self) -> Option<ObjectId> {
        let digest = || ObjectId::from_bytes(*self.hasher.finalize().as_bytes());
        self.is_whole.then(digest)
    }
}

impl FileBytes {
    pub(crate) fn open(path: &Path, size_bytes: u64) -> Result<Self> {
        let file = File::open(path).map_err(|error| Problem::io("read", path, &error))?;
        Ok(Self { file: Arc::new(file), size_bytes, hashed: Hashed::default() })
    }
}

impl UploadSource for FileBytes {
    async fn read(&mut self, offset: u64, most: usize) -> Result<Bytes, BoxError> {
        let left = self.size_bytes.saturating_sub(offset);
        let length = usize::try_from(left).unwrap_or(most).min(most);
        let file = Arc::clone(&self.file);
        let mut hashed = std::mem::take(&mut self.hashed);
        let is_last = length < most || left == length as u64;
        let work = move || {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, offset)?;
            hashed.take(offset, &bytes, is_last);
            Ok::<_, std::io::Error>((Bytes::from(bytes), hashed))
        };
        let (bytes, hashed) = tokio::task::spawn_blocking(work).await??;
        self.hashed = hashed;
        Ok(bytes)
    }

    fn digest(&self) -> Option<ObjectId> {
        self.hashed.digest()
    }
}

impl<R: AsyncRead + Send + Unpin> PipeBytes<R> {
    pub(crate) fn new(pipe: R) -> Self {
        Self { pipe, last: Bytes::new(), hashed: Hashed::default() }
    }
}

impl<R: AsyncRead + Send + Unpin> UploadSource for PipeBytes<R> {
    async fn read(&mut self, offset: u64, most: usize) -> Result<Bytes, BoxError> {
        if offset != self.hashed.end {
            // All there was is still here when it was one part.
            let is_first = offset == 0 && self.hashed.end == self.last.len() as u64;
            return match is_first {
                true => Ok(self.last.clone()),
                false => Err("the server lost what was sent, and a pipe is read once".into()),
            };
        }
        let mut bytes = Vec::new();
        (&mut self.pipe).take(most as u64).read_to_end(&mut bytes).await?;
        self.last = bytes.into();
        let is_last = self.last.len() < most;
        if offset == 0 {
            self.hashed = Hashed::default();
        }
        self.hashed.take(self.hashed.end, &self.last, is_last);
        Ok(self.last.clone())
    }

    fn digest(&self) -> Option<ObjectId> {
        self.hashed.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_digest_is_that_of_all_bytes_however_often_they_are_read() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("x");
        std::fs::write(&path, "abcdefgh").expect("a file");
        let mut file = FileBytes::open(&path, 8).expect("it is there");
        assert_eq!(&file.read(0, 4).await.expect("read")[..], b"abcd");
        assert_eq!(file.digest(), None);
        assert_eq!(&file.read(0, 4).await.expect("again")[..], b"abcd");
        assert_eq!(&file.read(4, 4).await.expect("read")[..], b"efgh");
        assert_eq!(file.digest(), Some(ObjectId::of(b"abcdefgh")));
        assert!(file.read(8, 4).await.expect("the end").is_empty());
        assert_eq!(file.digest(), Some(ObjectId::of(b"abcdefgh")));
    }

    #[tokio::test]
    async fn a_pipe_is_read_once_but_for_its_only_part() {
        let mut pipe = PipeBytes::new(&b"abcdef"[..]);
        assert_eq!(&pipe.read(0, 10).await.expect("read")[..], b"abcdef");
        assert_eq!(&pipe.read(0, 10).await.expect("still here")[..], b"abcdef");
        assert_eq!(pipe.digest(), Some(ObjectId::of(b"abcdef")));
        let mut pipe = PipeBytes::new(&b"abcdef"[..]);
        assert_eq!(&pipe.read(0, 4).await.expect("read")[..], b"abcd");
        assert_eq!(&pipe.read(4, 4).await.expect("read")[..], b"ef");
        assert_eq!(pipe.digest(), Some(ObjectId::of(b"abcdef")));
        assert!(pipe.read(0, 4).await.is_err());
    }
}
