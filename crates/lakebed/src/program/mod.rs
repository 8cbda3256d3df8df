//! Somebody else's program, run by `lakebed run`: started, listened to, stopped, and known again.

pub(crate) mod child;
pub(crate) mod identity;
pub(crate) mod log;
