//! Calling a library that may panic on damaged input, and living on without a word on stderr.

use std::{
    cell::Cell,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::Once,
};

thread_local! {
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

static QUIET: Once = Once::new();

/// Runs `work`; none if it panicked. The panic is not reported: whatever hook is installed hears
/// only of panics outside fences. (A hook installed later hears of all.)
pub(crate) fn fenced<R>(work: impl FnOnce() -> R) -> Option<R> {
    QUIET.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !FENCED.get() {
                report(panic);
            }
        }));
    });
    let outer = FENCED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(work));
    FENCED.set(outer);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none_and_stays_inside() {
        assert_eq!(fenced(|| 1), Some(1));
        assert_eq!(fenced(|| -> u8 { panic!("not reported") }), None);
        assert!(!FENCED.get());
    }
}
