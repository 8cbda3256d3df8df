//! What makes a declared catalog valid, whichever way it came.
//!
//! `yaml.rs` reads the folder that people edit, and finds the line of each mistake; a value that
//! came over the wire is held to the same rules by [`check_declared`].

mod policies;
mod products;
mod stages;
mod yaml;

use std::{collections::BTreeSet, fmt};

use lakebed_contract::{ContractFlaw, check_contract, yaml::shown};
use lakebed_core::{
    DatasetName, Declared, Grant, Grantee, GroupName, Ladder, PrincipalName, Product, ProductQuery,
    QueryParameter, Refresh, Served, StageName,
    policy::{Policy, PolicyName, PolicyRule, PolicyTarget},
};

use stages::check_ladder;
pub use yaml::{CatalogFile, ReadCatalog, find_policy, find_product, read_catalog};

/// The longest statement of a product, in bytes.
const LONGEST_SQL: usize = 64 << 10;
/// The longest purpose of one, in bytes.
const LONGEST_PURPOSE: usize = 4 << 10;
/// The most parameters of one of its queries.
const MOST_PARAMETERS: usize = 64;

/// Something in a declared catalog that cannot be meant like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredFlaw {
    /// A grant to a group that nobody declared: it would give nothing to anybody, for ever.
    #[error("there is no group `{0}`")]
    UnknownGroup(GroupName),
    /// A grant that gives nothing.
    #[error("this grant names no action")]
    NoAction,
    /// A stage that no version can reach.
    #[error("there is no stage `{0}`")]
    UnknownStage(StageName),
    /// A name that means whoever owns the lake, or everybody.
    #[error("`{0}` is reserved")]
    Reserved(String),
    /// A policy in which something does not go together.
    #[error("policy `{policy}`: {why}")]
    Policy {
        /// Its name.
        policy: PolicyName,
        /// What.
        why: &'static str,
    },
    /// A product in which something cannot be meant.
    #[error("product `{product}`: {part}{why}")]
    Product {
        /// Its name.
        product: DatasetName,
        /// Where.
        part: ProductPart,
        /// What.
        why: &'static str,
    },
    /// A ladder of stages in which something does not go together.
    #[error("stage `{stage}`: {why}")]
    Stage {
        /// The stage it is about.
        stage: StageName,
        /// What.
        why: &'static str,
    },
    /// A contract that no document of the standard gives.
    #[error("the contract of `{0}`: {1}")]
    Contract(DatasetName, ContractFlaw),
}

/// A part of a product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProductPart {
    /// Its statement.
    Sql,
    /// What it is for.
    Purpose,
    /// What its rows are ordered by.
    OrderBy,
    /// When it is built.
    Refresh,
    /// A query.
    Query(String),
    /// A parameter, of a query.
    Parameter(String, String),
}

impl fmt::Display for ProductPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql | Self::Purpose | Self::OrderBy | Self::Refresh => Ok(()),
            Self::Query(query) => write!(f, "query `{}`: ", shown(query)),
            Self::Parameter(query, parameter) => {
                write!(f, "parameter `{}` of query `{}`: ", shown(parameter), shown(query))
            }
        }
    }
}

impl DeclaredFlaw {
    /// What to write instead.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::UnknownGroup(_) => {
                "declare it under `groups`, or list it under `claimed_groups` if the identity \
                 provider names its members"
            }
            Self::NoAction => "name at least one, as in `may: [discover, read]`",
            Self::UnknownStage(_) => {
                "name one of `stages.yaml`; without that file they are `raw`, `validated` and `product`"
            }
            Self::Stage { .. } => {
                "as in `stages: [{ name: raw }, { name: product, gates: [integrity, contract, fresh, \
                 approvals(1)], waivable: [fresh] }]`"
            }
            Self::Reserved(_) => {
                "`local`, `local:…` and `anonymous@loopback` own the lake and need no grant, \
                 `everyone` names nobody: choose another name"
            }
            Self::Policy { .. } => {
                "as in `{ name: mask-email, on: { dataset: crm.customers }, columns: [email], mask: \
                 redact, except: [group:support] }`, or `on: { tag: pii.email }` without `columns`"
            }
            Self::Product { part: ProductPart::OrderBy, .. } => {
                "name every column once, as in `order_by: [day, region]`"
            }
            Self::Product { part: ProductPart::Refresh, .. } => {
                "leave it out, or write `on_change` or, in whole minutes, `{ every_minutes: 30 }`; \
                 `served: live` needs none"
            }
            Self::Product { part: ProductPart::Query(_), .. } => {
                "as in `queries: { by_region: { purpose: What a region buys, sql: SELECT … } }`"
            }
            Self::Product { part: ProductPart::Parameter(..), .. } => {
                "as in `parameters: { region: { type: string, required: true }, least: { type: long, \
                 default: 0 } }`"
            }
            Self::Product { .. } => {
                "as in `owner: alice`, `purpose: orders a day`, `sql: SELECT day, count(*) AS orders \
                 FROM sales.orders GROUP BY day`, `refresh: on_change`"
            }
            Self::Contract(_, flaw) => flaw.hint(),
        }
    }
}

/// Everything in `declared` that cannot be meant like that, in the order of the value.
///
/// # Errors
/// At least one flaw.
pub fn check_declared(declared: &Declared) -> Result<(), Vec<DeclaredFlaw>> {
    let mut flaws = Vec::new();
    for group in declared.groups.keys().chain(&declared.claimed_groups) {
        flaws.extend(check_group(group).err());
    }
    let members = declared.groups.values().flatten();
    for principal in members.chain(declared.principals.keys()) {
        flaws.extend(check_principal(principal).err());
    }
    if let Some(ladder) = &declared.stages {
        flaws.extend(check_ladder(ladder).into_iter().map(|(_, flaw)| flaw));
    }
    let ladder = declared.ladder();
    for grant in &declared.grants {
        flaws.extend(check_grant(grant, declared, &ladder));
    }
    for policy in declared.policies.values() {
        flaws.extend(check_policy_alone(policy));
        flaws.extend(policy.except.iter().filter_map(|to| check_grantee(to, declared).err()));
    }
    for (dataset, contract) in &declared.contracts {
        let found = check_contract(contract).err().into_iter().flatten();
        flaws.extend(found.map(|flaw| DeclaredFlaw::Contract(dataset.clone(), flaw)));
    }
    for (dataset, product) in &declared.products {
        flaws.extend(check_principal(&product.owner).err());
        flaws.extend(check_stage(&product.input_stage, &ladder).err());
        flaws.extend(check_product(dataset, product).err());
    }
    if flaws.is_empty() { Ok(()) } else { Err(flaws) }
}

/// What is wrong with a product, whatever its statement says.
fn check_product(dataset: &DatasetName, product: &Product) -> Result<(), DeclaredFlaw> {
    let columns: BTreeSet<&String> = product.order_by.iter().collect();
    let (part, why) = if product.sql.trim().is_empty() {
        (ProductPart::Sql, "it has no `sql`")
    } else if product.sql.len() > LONGEST_SQL {
        (ProductPart::Sql, "its `sql` is longer than 64 KiB")
    } else if product.purpose.trim().is_empty() {
        (ProductPart::Purpose, "it does not say its `purpose`")
    } else if product.purpose.len() > LONGEST_PURPOSE {
        (ProductPart::Purpose, "its `purpose` is longer than 4 KiB")
    } else if columns.len() < product.order_by.len() {
        (ProductPart::OrderBy, "a column comes twice in `order_by`")
    } else if product.refresh == Refresh::EveryMinutes(0) {
        (ProductPart::Refresh, "it cannot be built every 0 minutes")
    } else if product.served == Served::Live && product.refresh != Refresh::Manual {
        (ProductPart::Refresh, "it is `live`, so there is nothing to `refresh`")
    } else if let Some(flaw) = product.queries.iter().find_map(|(name, query)| flaw_of(name, query))
    {
        flaw
    } else {
        return Ok(());
    };
    Err(DeclaredFlaw::Product { product: dataset.clone(), part, why })
}

/// What is wrong with a query of a product, whatever its statement says.
fn flaw_of(name: &str, query: &ProductQuery) -> Option<(ProductPart, &'static str)> {
    let why = if !is_word(name) {
        "its name is a lower-case letter and up to 62 more, digits or `_`"
    } else if query.sql.trim().is_empty() || query.sql.len() > LONGEST_SQL {
        "its `sql` has 1 byte to 64 KiB"
    } else if query.purpose.trim().is_empty() || query.purpose.len() > LONGEST_PURPOSE {
        "its `purpose` has 1 byte to 4 KiB"
    } else if query.parameters.len() > MOST_PARAMETERS {
        "it has more than 64 parameters"
    } else {
        let flaw = |(parameter, declared): (&String, &QueryParameter)| {
            let why = if !is_word(parameter) || parameter == "int64" {
                "its name is a lower-case letter and up to 62 more, digits or `_`; not `int64`"
            } else if declared.required && declared.default.is_some() {
                "it is `required`, and so has no `default`"
            } else {
                return None;
            };
            Some((ProductPart::Parameter(name.to_owned(), parameter.clone()), why))
        };
        return query.parameters.iter().find_map(flaw);
    };
    Some((ProductPart::Query(name.to_owned()), why))
}

fn is_word(name: &str) -> bool {
    let rest = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 63
        && name.bytes().next().is_some_and(|first| first.is_ascii_lowercase())
        && name.bytes().all(rest)
}

/// What is wrong with a policy whatever the tables are like that it is about.
fn check_policy_alone(policy: &Policy) -> Vec<DeclaredFlaw> {
    let flaw = |why| DeclaredFlaw::Policy { policy: policy.name.clone(), why };
    let mut flaws = Vec::new();
    let columns = policy.rule.columns();
    let is_on_tag = matches!(policy.on, PolicyTarget::Tag(_));
    match columns.map(BTreeSet::is_empty) {
        Some(false) if is_on_tag => {
            flaws.push(flaw("contracts say what its tag is on: it has no `columns`"));
        }
        Some(true) if !is_on_tag => flaws.push(flaw("it names no `columns`")),
        _ => {}
    }
    if let PolicyRule::Mask { mask, .. } = &policy.rule {
        flaws.extend(mask.flaw().map(flaw));
    }
    flaws
}

fn check_grant(grant: &Grant, declared: &Declared, ladder: &Ladder) -> Vec<DeclaredFlaw> {
    let mut flaws = Vec::new();
    flaws.extend(check_grantee(&grant.to, declared).err());
    if grant.may.is_empty() {
        flaws.push(DeclaredFlaw::NoAction);
    }
    flaws.extend(check_stage(&grant.from_stage, ladder).err());
    flaws
}

/// A group must be known; a principal need not be: identity providers know more of them than we.
fn check_grantee(to: &Grantee, declared: &Declared) -> Result<(), DeclaredFlaw> {
    match to {
        Grantee::Group(group) if !declared.knows_group(group) => {
            Err(DeclaredFlaw::UnknownGroup(group.clone()))
        }
        Grantee::Group(_) => Ok(()),
        Grantee::Principal(principal) => check_principal(principal),
    }
}

fn check_stage(stage: &StageName, ladder: &Ladder) -> Result<(), DeclaredFlaw> {
    match ladder.position(stage) {
        Some(_) => Ok(()),
        None => Err(DeclaredFlaw::UnknownStage(stage.clone())),
    }
}

fn check_principal(principal: &PrincipalName) -> Result<(), DeclaredFlaw> {
    let name = principal.as_str();
    let owns = name == "local" || name.starts_with("local:") || name == "anonymous@loopback";
    match owns || name == "everyone" {
        true => Err(DeclaredFlaw::Reserved(name.to_owned())),
        false => Ok(()),
    }
}

fn check_group(group: &GroupName) -> Result<(), DeclaredFlaw> {
    match group.as_str() {
        name @ ("everyone" | "local") => Err(DeclaredFlaw::Reserved(name.to_owned())),
        _ => Ok(()),
    }
}
