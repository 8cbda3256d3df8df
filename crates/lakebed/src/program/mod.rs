//! Somebody else's program, run by `lakebed run`: started, listened to, stopped, known again, and what it
//! wrote kept where no lake is at hand.

pub(crate) mod child;
pub(crate) mod identity;
pub(crate) mod kept;
pub(crate) mod log;
