//! The rules of Lakebed as pure functions: no IO, no clock, no randomness.
//!
//! * [`authorize`] decides whether somebody may do something, from what is declared and the time;
//!   [`explain`] says why.
//! * [`read_catalog`] makes the declared catalog out of the YAML of a `catalog/` folder, or says
//!   in which line it cannot be meant like that; [`check_declared`] holds the rules for values that
//!   came another way.
//! * [`plan_catalog`] says what applying one would change, and who would gain or lose what.
//! * [`judge`] says what promoting versions to a stage would take: every gate, from what the caller
//!   read of them.
//! * [`restrict`] says what policies leave of a table for somebody; [`check_policy`] whether a policy
//!   fits a table; [`is_about`] whether one is about it at all; [`inherit`] what is left of what was
//!   computed from tables.
//!
//! It reads no database and no file: what it needs is handed in. Whether something exists is not
//! its business either: it answers by names alone, the same for what is and for what is not there.

mod about;
mod authorize;
mod declared;
mod explain;
mod inherit;
mod plan;
mod promotion;
mod restrict;
mod rights;

pub use about::{Tagged, expects, is_about};
pub use authorize::{Denied, Granted, Verdict, authorize};
pub use declared::{
    CatalogFile, DeclaredFlaw, ProductPart, ReadCatalog, check_declared, find_policy, find_product,
    read_catalog,
};
pub use explain::{
    ActionExplained, Explanation, GrantExplained, PolicyExplained, WhyNot, WhySpared, explain,
};
pub use inherit::{Inherited, NotInherited, inherit};
pub use lakebed_contract::{Change, Level, Note, NoteKind, Reason, VersionFlaw, yaml::Mistake};
pub use plan::{
    AttributeChange, CatalogPlan, ContractChange, GroupChange, LadderChange, PlanWarning,
    PolicyChange, ProductChange, Reach, RightChange, SightChange, plan_catalog,
};
pub use promotion::{
    ApprovedPlan, ContractFacts, FreshnessFacts, HeadFacts, InputFacts, MeasuredFacts,
    PlannedPromotion, PromotionFacts, PromotionPlan, Requester, Review, judge,
};
pub use restrict::{
    FilterFlaw, PolicyMisfit, Reader, TableFacts, check_policy, is_news, missing_columns, restrict,
};
pub use rights::Rights;
