//! What is promised beside the columns: freshness, owners, and how much may be quarantined.

use std::collections::BTreeSet;

use lakebed_core::contract::{Contract, Freshness, Number, QuarantineLimit, Value};

use super::Reader;
use crate::yaml::{Node, shown};

/// The property, under `customProperties`, that limits how many rows may be quarantined.
const MAX_QUARANTINED: &str = "maxQuarantined";

/// Members of the team whose role is `owner`, whichever way the team is written.
pub(super) fn owners(root: &Node) -> BTreeSet<String> {
    let Some(team) = root.get("team") else { return BTreeSet::new() };
    let members = team.get("members").unwrap_or(team).items();
    let is_owner = |member: &&Node| {
        let role = member.get("role").and_then(Node::text);
        role.is_some_and(|role| role.eq_ignore_ascii_case("owner"))
            && member.get("dateOut").is_none()
    };
    let names = members.iter().filter(is_owner);
    names.filter_map(|member| member.get("username")?.text()).map(str::to_owned).collect()
}

impl Reader<'_> {
    /// The service levels that say how old the data may be.
    pub(super) fn freshness(&mut self, root: &Node, contract: &Contract) -> Vec<Freshness> {
        let mut found = Vec::new();
        let levels = root.get("slaProperties").map_or(&[][..], Node::items);
        for (index, node) in levels.iter().enumerate() {
            let property = node.get("property").and_then(Node::text).unwrap_or_default();
            let property = property.to_ascii_lowercase();
            if property != "latency" && property != "freshness" {
                continue;
            }
            match self.level(node, &property, contract) {
                Ok(freshness) => found.push(freshness),
                Err(why) => {
                    self.explain(node.location, &format!("slaProperties[{index}]"), why);
                }
            }
        }
        found
    }

    fn level(
        &mut self,
        node: &Node,
        property: &str,
        contract: &Contract,
    ) -> Result<Freshness, String> {
        let value = node.get("value").map(|value| value.value(self.source));
        let number = match value {
            Some(Value::Number { number }) => Some(number),
            Some(Value::Text(text)) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.ok_or("its value is no number")?;
        let unit = node.get("unit").and_then(Node::text).unwrap_or_default();
        let seconds = seconds_of(unit)
            .ok_or_else(|| format!("`{}` is no unit of time of one length", shown(unit)))?;
        let max_age_seconds =
            seconds_in(number, seconds).ok_or("its value is no length of time")?;
        let column = match node.get("element").and_then(Node::text) {
            None => None,
            Some(element) => Some(self.element(element, contract)?),
        };
        for key in ["property", "value", "unit", "element"] {
            self.take(node, key);
        }
        let name = column
            .as_ref()
            .map_or_else(|| property.to_owned(), |column| format!("{column}.{property}"));
        Ok(Freshness { id: self.free_id(name), column, max_age_seconds })
    }

    /// `table.column`, or a column.
    fn element(&self, element: &str, contract: &Contract) -> Result<String, String> {
        let unknown = || format!("`{}` is no column of this table", shown(element));
        let physical = self.objects.get(self.object_index).and_then(|o| o.get("physicalName"));
        let column = match element.split_once('.') {
            None => element,
            Some((table, column)) => {
                let is_ours =
                    table == contract.object || physical.and_then(Node::text) == Some(table);
                if is_ours { Ok(column) } else { Err(unknown()) }?
            }
        };
        let mut columns = contract.columns.iter();
        let found = columns.find(|ours| ours.name == column || ours.column() == column);
        found.map(|ours| ours.name.clone()).ok_or_else(unknown)
    }

    /// `maxQuarantined` under `customProperties`: rows, or a percentage of all rows.
    pub(super) fn max_quarantined(&mut self, node: &Node) -> Option<QuarantineLimit> {
        let properties = node.get("customProperties").map_or(&[][..], Node::items);
        let is_it =
            |entry: &&Node| entry.get("property").and_then(Node::text) == Some(MAX_QUARANTINED);
        let entry = properties.iter().find(is_it)?;
        self.take(entry, "property");
        let given = self.take(entry, "value")?;
        let limit = match given.value(self.source) {
            Value::Number { number } => number.to_u64().map(QuarantineLimit::Rows),
            Value::Text(text) => limit(&text),
            _ => None,
        };
        if limit.is_none() {
            let message = "this is no number of rows and no percentage".to_owned();
            let hint = "write `100` or `1%`".to_owned();
            self.mistake(given.location, message, Some(hint));
        }
        limit
    }
}

fn limit(text: &str) -> Option<QuarantineLimit> {
    let text = text.trim();
    if let Some(percent) = text.strip_suffix('%') {
        let percent: Number = percent.trim().parse().ok()?;
        let is_part = percent >= Number::ZERO && percent <= Number::from(100_u64);
        return is_part.then_some(QuarantineLimit::Percent(percent));
    }
    let rows = text.strip_suffix("rows").unwrap_or(text).trim();
    rows.parse().ok().map(QuarantineLimit::Rows)
}

/// The length of a unit. Months have no one length; a year is 365 days.
fn seconds_of(unit: &str) -> Option<u64> {
    Some(match unit.trim().to_ascii_lowercase().as_str() {
        "s" | "sec" | "second" | "seconds" => 1,
        "m" | "min" | "minute" | "minutes" => 60,
        "h" | "hr" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        "w" | "wk" | "week" | "weeks" => 7 * 86_400,
        "y" | "yr" | "year" | "years" => 365 * 86_400,
        _ => return None,
    })
}

/// Whole seconds, rounded up to the next.
fn seconds_in(number: Number, seconds: u64) -> Option<u64> {
    if let Some(whole) = number.to_u64() {
        return whole.checked_mul(seconds);
    }
    let exact = number.to_f64() * seconds as f64;
    (exact > 0.0 && exact < 1e15).then(|| exact.ceil() as u64)
}
