//! Memory of one statement: fair between the parts that can spill, with room left for the parts
//! that start last.
//!
//! A sort that can spill first reserves what it will need to merge its spilled files, and that
//! reservation itself cannot spill. DataFusion's fair pool lets the part that starts first take
//! everything, so that the next one cannot even start, and the statement ends although all of it
//! could have spilled; whether it does depends on which thread the machine runs first. Here the
//! parts that spill never share more than what is left when every part has its reservation.

use std::{
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use datafusion::{
    common::{Result, resources_datafusion_err},
    execution::memory_pool::{
        FairSpillPool, MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
    },
};

/// [`FairSpillPool`], of which parts that can spill use `spillable` bytes and no more.
#[derive(Debug)]
pub(crate) struct StatementMemory {
    fair: FairSpillPool,
    spillable: usize,
    /// The consumers that can spill.
    spilling: AtomicUsize,
}

impl StatementMemory {
    /// A pool of `bytes`, of which `kept` are for what cannot spill.
    pub(crate) fn new(bytes: usize, kept: usize) -> Self {
        Self {
            fair: FairSpillPool::new(bytes),
            spillable: bytes.saturating_sub(kept),
            spilling: AtomicUsize::new(0),
        }
    }
}

impl MemoryPool for StatementMemory {
    fn name(&self) -> &'static str {
        "statement"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.spilling.fetch_add(1, Ordering::SeqCst);
        }
        self.fair.register(consumer);
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.spilling.fetch_sub(1, Ordering::SeqCst);
        }
        self.fair.unregister(consumer);
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        self.fair.grow(reservation, additional);
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        self.fair.shrink(reservation, shrink);
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let consumer = reservation.consumer();
        if consumer.can_spill() {
            let share = self.spillable / self.spilling.load(Ordering::SeqCst).max(1);
            if reservation.size().saturating_add(additional) > share {
                return Err(resources_datafusion_err!(
                    "{additional} bytes more for {} are beyond its share of {share}",
                    consumer.name()
                ));
            }
        }
        self.fair.try_grow(reservation, additional)
    }

    fn reserved(&self) -> usize {
        self.fair.reserved()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.fair.memory_limit()
    }
}

impl fmt::Display for StatementMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fair.fmt(formatter)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests may")]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What a sort does: it reserves what its merge needs, then takes what it may and spills.
    struct Sort {
        _merge: MemoryReservation,
        rows: MemoryReservation,
    }

    impl Sort {
        fn start(pool: &Arc<dyn MemoryPool>, merge_bytes: usize) -> Result<Self> {
            let merge = MemoryConsumer::new("merge").register(pool);
            let rows = MemoryConsumer::new("sort").with_can_spill(true).register(pool);
            merge.try_grow(merge_bytes)?;
            Ok(Self { _merge: merge, rows })
        }

        fn take_all(&self) -> usize {
            while self.rows.try_grow(1).is_ok() {}
            self.rows.size()
        }
    }

    #[test]
    fn who_starts_last_can_start() {
        let pool: Arc<dyn MemoryPool> = Arc::new(StatementMemory::new(300, 3 * 50));
        let first = Sort::start(&pool, 50).unwrap();
        assert_eq!(first.take_all(), 150, "alone it has all that is not kept");
        let second = Sort::start(&pool, 50).unwrap();
        assert_eq!(second.take_all(), 75, "a share, though the first has not spilled yet");
        first.rows.free();
        assert_eq!(first.take_all(), 75);
        let third = Sort::start(&pool, 50).unwrap();
        assert_eq!(third.take_all(), 50);
    }

    #[test]
    fn the_limit_holds_for_what_cannot_spill() {
        let pool: Arc<dyn MemoryPool> = Arc::new(StatementMemory::new(300, 100));
        let held = MemoryConsumer::new("held").register(&pool);
        held.try_grow(250).unwrap();
        let sort = MemoryConsumer::new("sort").with_can_spill(true).register(&pool);
        assert!(sort.try_grow(51).is_err());
        assert!(held.try_grow(51).is_err());
        sort.try_grow(50).unwrap();
        assert!(held.try_grow(1).is_err());
    }
}
