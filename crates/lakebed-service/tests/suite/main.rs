//! The use cases, seen from their public face: what they write, in which order, and what is left
//! when they are cut off anywhere.

#![allow(clippy::unwrap_used, missing_docs)]

mod builds;
mod cancel;
mod contracts;
mod crash;
mod cut_off;
mod ingest;
mod journal;
mod lineage;
mod live;
mod openlineage;
mod people;
mod places;
mod policies;
mod profile;
mod promotion_laws;
mod promotions;
mod races;
mod reads;
mod runs;
mod servers;
mod verify;
