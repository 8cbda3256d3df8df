//! File descriptors: a server needs one for every connection and every open file.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Fewer than this is worth a warning.
const FEW: u64 = 1024;

/// Raises the number of descriptors this process may have open as far as the system lets it, and
/// says how many those are; none for no limit.
pub(crate) fn raise() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let most = Rlimit { current: limit.maximum, maximum: limit.maximum };
        if let Err(error) = setrlimit(Resource::Nofile, most) {
            tracing::warn!(%error, "the number of open files stays as it is");
        }
    }
    let now = getrlimit(Resource::Nofile).current;
    if let Some(few) = now.filter(|now| *now < FEW) {
        tracing::warn!(descriptors = few, "few files may be open at once: raise `ulimit -n`");
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_the_system_allows() {
        let raised = raise();
        assert_eq!(raised, getrlimit(Resource::Nofile).maximum);
    }
}
