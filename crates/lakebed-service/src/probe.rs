//! A place for tests to stand: the points between the writes of a use case.

use crate::Result;

/// Told of every point before and after a catalog write. Writes to the store have points of their
/// own, in the store's back end.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// Passes, or ends the use case here as a crash would.
    ///
    /// # Errors
    /// Whatever the test wants to happen at `point`.
    fn at(&self, point: &'static str) -> Result<()>;
}

/// Passes every point.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoProbe;

impl Probe for NoProbe {
    fn at(&self, _point: &'static str) -> Result<()> {
        Ok(())
    }
}
