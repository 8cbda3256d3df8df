//! Trying out what a lake needs of the place it is in.
//!
//! Everything is tried through the same back end that a lake uses, below a folder of its own, and
//! removed afterwards. Nothing of a lake is read or written.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use lakebed_core::{Check, ObjectId};

use crate::{Created, Error, GROUP_BYTES, PROBES, Result, Store, local::free_bytes};

/// Creators of one key at the same time.
const CREATORS: u8 = 8;

/// Less room than this is worth a warning: 1 GiB.
const LITTLE_ROOM: u64 = 1 << 30;

/// With less room than this nothing works for long: 64 MiB.
const NO_ROOM: u64 = 64 << 20;

/// Clocks that differ by more are worth a warning.
const SKEW_WARNING: Duration = Duration::from_secs(30);

/// Signatures are refused when clocks differ by 15 minutes; this is near.
const SKEW_FAILURE: Duration = Duration::from_secs(10 * 60);

impl Store {
    /// Tries the place out: one check a property that a lake relies on.
    ///
    /// Writes and removes below [`PROBES`] alone. What could not be removed is named.
    pub async fn examine(&self) -> Vec<Check> {
        let folder = match probe_folder() {
            Ok(folder) => folder,
            Err(error) => return vec![failed("write", &error)],
        };
        let mut checks = vec![self.writes(&folder).await];
        if checks[0].outcome == lakebed_core::Outcome::Ok {
            checks.push(self.creates_once(&folder).await);
            checks.push(self.reads_ranges(&folder).await);
            checks.push(self.lists_at_once(&folder).await);
            checks.push(self.refuses_damage(&folder).await);
            checks.push(self.removes(&folder).await);
        }
        checks.extend(self.clock());
        checks.extend(room("space", "the lake's file system", self.backend.free_bytes()));
        checks.extend(self.scratch_room());
        checks
    }

    async fn writes(&self, folder: &str) -> Check {
        let key = format!("{folder}/written");
        let bytes = Bytes::from_static(b"what was written is read\n");
        match self.backend.create(&key, &bytes.clone().into()).await {
            Ok(Created::New) => {}
            Ok(Created::Existed) => return not_new("write", &key),
            Err(error) => return failed("write", &error),
        }
        match self.backend.read(&key).await {
            Ok(Some(found)) if found == bytes => {
                Check::ok("write", "what is written can be read at once")
            }
            Ok(_) => Check::failed(
                "write",
                "what was written is not what is read",
                "this place loses or changes files: keep no lake here",
            ),
            Err(error) => failed("write", &error),
        }
    }

    /// Of several creators one is first, and a later one is told so.
    async fn creates_once(&self, folder: &str) -> Check {
        let key = format!("{folder}/created-once");
        let bytes = |creator: u8| Bytes::from(vec![b'a' + creator; 64]);
        let creators = (0..CREATORS).map(|creator| {
            let key = key.clone();
            async move { self.backend.create(&key, &bytes(creator).into()).await }
        });
        let outcomes: Result<Vec<Created>> =
            futures::future::join_all(creators).await.into_iter().collect();
        let first = match outcomes {
            Ok(outcomes) => {
                let new = outcomes.iter().zip(0..).filter(|(created, _)| **created == Created::New);
                new.map(|(_, creator)| creator).collect::<Vec<u8>>()
            }
            Err(error) => return failed("create-only", &error),
        };
        let late = self.backend.create(&key, &Bytes::from_static(b"too late").into()).await;
        let found = match self.backend.read(&key).await {
            Ok(found) => found,
            Err(error) => return failed("create-only", &error),
        };
        match (first.as_slice(), late, found) {
            ([first], Ok(Created::Existed), Some(found)) if found == bytes(*first) => {
                Check::ok("create-only", format!("of {CREATORS} creators of one key one is first"))
            }
            (_, Err(error), _) => failed("create-only", &error),
            (first, ..) => Check::failed(
                "create-only",
                format!("of {CREATORS} creators of one key {} were told to be first", first.len()),
                "this store does not honour `If-None-Match: *`: two servers could both write the \
                 journal's next segment; use a store that does",
            ),
        }
    }

    async fn reads_ranges(&self, folder: &str) -> Check {
        let key = format!("{folder}/ranges");
        let length = 3 * GROUP_BYTES + 7;
        let bytes: Bytes = (0..length).map(|index| (index % 251) as u8).collect::<Vec<_>>().into();
        let ranges = [
            0..1,
            5..GROUP_BYTES + 9,
            length - 3..length,
            length - 3..length + 9,
            length..length + 9,
        ];
        if let Err(error) = self.backend.create(&key, &bytes.clone().into()).await {
            return failed("ranges", &error);
        }
        for range in ranges {
            let (start, end) = (range.start.min(length), range.end.min(length));
            let expected = bytes.slice(start as usize..end as usize);
            match self.backend.read_range(&key, range.clone()).await {
                Ok(Some(found)) if found == expected => {}
                Ok(_) => {
                    return Check::failed(
                        "ranges",
                        format!("bytes {}..{} are not what was asked for", range.start, range.end),
                        "this place does not read parts of files: queries cannot run here",
                    );
                }
                Err(error) => return failed("ranges", &error),
            }
        }
        Check::ok("ranges", "parts are read exactly")
    }

    async fn lists_at_once(&self, folder: &str) -> Check {
        let expected = ["created-once", "ranges", "written"].map(|name| format!("{folder}/{name}"));
        match self.backend.list(folder).await {
            Ok(listed) if listed.iter().map(|listed| &listed.key).eq(&expected) => {
                Check::ok("list", "what was written is listed at once")
            }
            Ok(listed) => Check::failed(
                "list",
                format!(
                    "of {} files that were written {} are listed",
                    expected.len(),
                    listed.len()
                ),
                "listing must show what was written before: a rebuild would miss journal segments",
            ),
            Err(error) => failed("list", &error),
        }
    }

    async fn refuses_damage(&self, folder: &str) -> Check {
        match self.backend.accepts_damage(folder).await {
            Ok(None) => Check::ok("checksums", "bytes do not travel: they are hashed when read"),
            Ok(Some(false)) => Check::ok("checksums", "bytes that change on their way are refused"),
            Ok(Some(true)) => Check::failed(
                "checksums",
                "bytes that change on their way are accepted",
                "reading finds such damage, but only later; use a store that checks SHA-256 checksums",
            ),
            Err(error) => failed("checksums", &error),
        }
    }

    /// Removes everything below the probes' folder, and sees that it is gone.
    async fn removes(&self, folder: &str) -> Check {
        let removed = async {
            for listed in self.backend.list(folder).await? {
                self.backend.remove_probe(&listed.key).await?;
            }
            self.backend.list(folder).await
        };
        let hint = format!("a lake needs no permission to delete; remove `{folder}/` by hand");
        match removed.await {
            Ok(left) if left.is_empty() => Check::ok("delete", "what was tried is removed again"),
            Ok(left) => {
                let detail = format!("{} files of this examination are still there", left.len());
                Check::warning("delete", detail, hint)
            }
            Err(error) => Check::warning("delete", error.to_string(), hint),
        }
    }

    fn clock(&self) -> Option<Check> {
        let ahead_ms = self.backend.clock_ahead_ms()?;
        let apart = Duration::from_millis(ahead_ms.unsigned_abs());
        let way = if ahead_ms < 0 { "behind" } else { "ahead of" };
        let detail = format!(
            "this machine's clock is {:.0} s {way} the store's, give or take one",
            apart.as_secs_f64()
        );
        let hint = "set this machine's clock (NTP): signatures are refused at 15 minutes";
        Some(match apart {
            apart if apart > SKEW_FAILURE => Check::failed("clock", detail, hint),
            apart if apart > SKEW_WARNING => Check::warning("clock", detail, hint),
            _ => Check::ok("clock", detail),
        })
    }

    fn scratch_room(&self) -> Option<Check> {
        let path = self.scratch_dir();
        room("scratch", &format!("`{}`", shown(path)), free_bytes(path))
    }
}

/// Without the part that is another one each time.
fn shown(scratch: &Path) -> String {
    scratch.parent().unwrap_or(scratch).display().to_string()
}

fn room(name: &'static str, place: &str, free: Option<u64>) -> Option<Check> {
    let free = free?;
    let detail = format!("{place} has room for {} MiB", free >> 20);
    let hint = "make room, or name another place";
    Some(match free {
        free if free < NO_ROOM => Check::failed(name, detail, hint),
        free if free < LITTLE_ROOM => Check::warning(name, detail, hint),
        _ => Check::ok(name, detail),
    })
}

fn probe_folder() -> Result<String> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(|error| Error::Io {
        doing: "draw a random name from",
        path: "getrandom".into(),
        source: std::io::Error::other(error),
    })?;
    // Thirty-two hex digits that nobody has had.
    Ok(format!("{PROBES}/{}", &ObjectId::of(&bits).to_string()[..32]))
}

fn not_new(name: &'static str, key: &str) -> Check {
    Check::failed(
        name,
        format!("`{key}` is said to exist, and nobody made it"),
        "this place does not tell what is there from what is not: keep no lake here",
    )
}

fn failed(name: &'static str, error: &Error) -> Check {
    let hint = match error {
        Error::Bucket { fault, .. } => fault.hint(),
        Error::Denied { .. } => "check the owner and the permissions of that place".to_owned(),
        Error::Full { .. } => "make room there".to_owned(),
        _ => "see that the place can be reached, then run this again".to_owned(),
    };
    let mut detail = error.to_string();
    if let Error::Unavailable { source } | Error::Denied { source, .. } = error {
        detail = format!("{detail}: {source}");
    }
    Check::failed(name, detail, hint)
}
