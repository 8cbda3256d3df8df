//! Queries: rows and groups, windows, sets of both, and statements made of them.

use super::{Kind, Maker, Query, Role, Scope};
use crate::governed::interference::lakes::HIDDEN;

impl Maker {
    pub(super) fn statement(&mut self) -> String {
        match self.dice.below(40) {
            39 => self.guess(),
            38 => {
                let query = self.select(1, None);
                format!("EXPLAIN {}", query.sql)
            }
            37 => self.star(),
            31..=36 => self.with(),
            _ => {
                let depth = 1 + usize::from(self.dice.once_in(4));
                let query = self.query(depth, None);
                let order = self.order(&query);
                query.sql + &order
            }
        }
    }

    /// A query of those kinds, or of any.
    pub(super) fn query(&mut self, depth: usize, kinds: Option<&[Kind]>) -> Query {
        match self.dice.below(8) {
            7 if depth > 0 => self.set(depth - 1, kinds),
            _ => self.select(depth, kinds),
        }
    }

    fn select(&mut self, depth: usize, kinds: Option<&[Kind]>) -> Query {
        let (from, scope) = self.from(depth);
        match (self.wanted, self.dice.below(10)) {
            (Some((Role::Aggregate, _)), _) => self.grouped(&from, &scope, depth, kinds),
            (Some((Role::Window, _)), _) => self.windowed(&from, &scope, depth, kinds),
            (_, 0..=4) => self.plain(&from, &scope, depth, kinds),
            (_, 5..=7) => self.grouped(&from, &scope, depth, kinds),
            (_, 8) => self.windowed(&from, &scope, depth, kinds),
            _ => self.distinct(&from, &scope, depth, kinds),
        }
    }

    /// Expressions of those kinds, or one or two of any.
    fn items(&mut self, scope: &Scope, kinds: Option<&[Kind]>) -> Vec<(Kind, String)> {
        match kinds {
            Some(kinds) => {
                kinds.iter().map(|kind| (*kind, self.expression(scope, *kind, 2))).collect()
            }
            None => (0..=self.dice.below(2)).map(|_| self.any(scope, 2)).collect(),
        }
    }

    fn filter(&mut self, scope: &Scope, depth: usize) -> String {
        match self.dice.below(4) {
            2 | 3 => String::new(),
            1 if self.wanted.is_some_and(|(role, _)| role == Role::Scalar) => {
                format!(" WHERE {} IS NOT NULL", self.any(scope, 1).1)
            }
            _ => {
                let condition = self.condition(scope, depth);
                match self.dice.below(4) {
                    3 => format!(" WHERE {condition} AND {}", self.condition(scope, 0)),
                    2 => format!(" WHERE {condition} OR {}", self.condition(scope, 0)),
                    _ => format!(" WHERE {condition}"),
                }
            }
        }
    }

    fn plain(&mut self, from: &str, scope: &Scope, depth: usize, kinds: Option<&[Kind]>) -> Query {
        let mut items = self.items(scope, kinds);
        if kinds.is_none() && depth > 0 && self.dice.once_in(8) {
            items.push(self.scalar_subquery(scope));
        }
        let filter = self.filter(scope, depth);
        query(&items, "", &format!("FROM {from}{filter}"))
    }

    /// One value of another table, for all rows or for each.
    fn scalar_subquery(&mut self, scope: &Scope) -> (Kind, String) {
        let (table, inner) = self.table();
        let (kind, aggregate) = self.aggregate(&inner, None);
        let condition = match self.dice.below(2) {
            0 => self.expression(&inner, Kind::Bool, 1),
            _ => {
                let this = self.expression(scope, Kind::Long, 0);
                format!("{} = {this}", self.expression(&inner, Kind::Long, 0))
            }
        };
        (kind, format!("(SELECT {aggregate} FROM {table} WHERE {condition})"))
    }

    fn distinct(
        &mut self,
        from: &str,
        scope: &Scope,
        depth: usize,
        kinds: Option<&[Kind]>,
    ) -> Query {
        let filter = self.filter(scope, depth);
        if kinds.is_some() || self.dice.below(2) == 0 {
            let mut items = self.items(scope, kinds);
            items.retain(|(kind, _)| kinds.is_some() || *kind != Kind::Counts);
            if items.is_empty() {
                items.push(self.any_plain(scope, 1));
            }
            return query(&items, "DISTINCT ", &format!("FROM {from}{filter}"));
        }
        let one = (Kind::Text, self.expression(scope, Kind::Text, 1));
        let other = self.any_plain(scope, 1);
        let rest = format!("FROM {from}{filter} ORDER BY {}, {}", one.1, other.1);
        let prefix = format!("DISTINCT ON ({}) ", one.1);
        query(&[one, other], &prefix, &rest)
    }

    fn grouped(
        &mut self,
        from: &str,
        scope: &Scope,
        depth: usize,
        kinds: Option<&[Kind]>,
    ) -> Query {
        let is_grouping = kinds.is_none() && self.wanted == Some((Role::Aggregate, "grouping"));
        let is_scalar = self.wanted.is_some_and(|(role, _)| role == Role::Scalar);
        let mut keys = Vec::new();
        if kinds.is_none() {
            let count = usize::from(is_grouping || is_scalar) + self.dice.below(3);
            keys.extend((0..count).map(|_| self.any_plain(scope, 1)));
        }
        let by = self.group_by(&keys, is_grouping);
        let mut items = keys.clone();
        if is_grouping {
            self.wanted = None;
            items.push((Kind::Long, format!("grouping({})", keys[0].1)));
        }
        match kinds {
            Some(kinds) => {
                items.extend(kinds.iter().map(|kind| self.aggregate(scope, Some(*kind))));
            }
            None => {
                items.extend((0..=self.dice.below(2)).map(|_| self.aggregate(scope, None)));
            }
        }
        let filter = self.filter(scope, depth);
        let having = match self.dice.below(4) {
            3 if kinds.is_none() => {
                let (_, aggregate) = self.aggregate(scope, Some(Kind::Long));
                format!(" HAVING {aggregate} <> {}", self.dice.below(9))
            }
            _ => String::new(),
        };
        query(&items, "", &format!("FROM {from}{filter}{by}{having}"))
    }

    fn group_by(&mut self, keys: &[(Kind, String)], is_grouping: bool) -> String {
        if keys.is_empty() {
            return String::new();
        }
        let all: Vec<_> = keys.iter().map(|(_, sql)| sql.as_str()).collect();
        let all = all.join(", ");
        match self.dice.below(12) {
            9 => format!(" GROUP BY ROLLUP ({all})"),
            10 => format!(" GROUP BY CUBE ({all})"),
            11 => format!(" GROUP BY GROUPING SETS (({all}), ({}), ())", keys[0].1),
            _ if is_grouping => format!(" GROUP BY ROLLUP ({all})"),
            0 => format!(" GROUP BY {all}"),
            _ => {
                let places: Vec<_> = (1..=keys.len()).map(|place| place.to_string()).collect();
                format!(" GROUP BY {}", places.join(", "))
            }
        }
    }

    fn windowed(
        &mut self,
        from: &str,
        scope: &Scope,
        depth: usize,
        kinds: Option<&[Kind]>,
    ) -> Query {
        let mut items = self.items(scope, kinds);
        let filter = self.filter(scope, depth);
        let rest = format!("FROM {from}{filter}");
        if kinds.is_some() {
            let condition = format!("{} IS NOT NULL", self.window(scope).1);
            return query(&items, "", &format!("{rest} QUALIFY {condition}"));
        }
        match self.dice.below(4) {
            3 if self.wanted.is_none_or(|(role, _)| role != Role::Window) => {
                let specification = self.window_specification(scope);
                items.push((Kind::Long, "rank() OVER w".to_owned()));
                items.push((Kind::Long, "count(*) OVER w".to_owned()));
                query(&items, "", &format!("{rest} WINDOW w AS ({specification})"))
            }
            2 => {
                let (_, window) = self.window(scope);
                let rest = format!("{rest} QUALIFY {window} IS NOT NULL");
                query(&items, "", &rest)
            }
            _ => {
                items.push(self.window(scope));
                query(&items, "", &rest)
            }
        }
    }

    fn set(&mut self, depth: usize, kinds: Option<&[Kind]>) -> Query {
        const KINDS: [Kind; 6] =
            [Kind::Long, Kind::Text, Kind::Date, Kind::Decimal, Kind::Double, Kind::Longs];
        let kinds = match kinds {
            Some(kinds) => kinds.to_vec(),
            None => (0..=self.dice.below(2)).map(|_| self.dice.one_of(&KINDS)).collect(),
        };
        let set = self.dice.one_of(&[
            "UNION",
            "UNION",
            "UNION ALL",
            "UNION ALL",
            "EXCEPT",
            "EXCEPT",
            "INTERSECT",
            "INTERSECT",
        ]);
        let one = self.select(depth, Some(&kinds));
        let other = self.select(depth, Some(&kinds));
        let sql = format!("{} {set} {}", one.sql, other.sql);
        Query { sql, kinds, is_ordered: false }
    }

    fn with(&mut self) -> String {
        let mut parts = Vec::new();
        for _ in 0..=usize::from(self.dice.once_in(4)) {
            let query = self.query(1, None);
            let name = self.name();
            parts.push(format!("{name} AS ({})", query.sql));
            self.with.push((name, query.kinds));
        }
        let query = self.query(1, None);
        let order = self.order(&query);
        format!("WITH {} {}{order}", parts.join(", "), query.sql)
    }

    /// An order that leaves nothing open, and a part of it.
    fn order(&mut self, Query { kinds, is_ordered, .. }: &Query) -> String {
        let is_open = *is_ordered || !kinds.iter().all(|kind| kind.is_plain());
        if self.dice.below(3) > 0 || is_open {
            return String::new();
        }
        let place = |(place, direction): (usize, &str)| format!("{} {direction}", place + 1);
        let directions = ["", "DESC", "ASC NULLS FIRST", "DESC NULLS LAST"];
        let places: Vec<_> =
            kinds.iter().map(|_| self.dice.one_of(&directions)).enumerate().map(place).collect();
        let part = match self.dice.below(3) {
            0 => String::new(),
            1 => format!(" LIMIT {}", 1 + self.dice.below(70)),
            _ => format!(" LIMIT {} OFFSET {}", 1 + self.dice.below(40), self.dice.below(3)),
        };
        format!(" ORDER BY {}{part}", places.join(", "))
    }

    fn star(&mut self) -> String {
        let (from, scope) = self.table();
        let condition = self.expression(&scope, Kind::Bool, 2);
        let star = self.dice.one_of(&["*", "* EXCLUDE (note)", "* EXCEPT (id, day)"]);
        format!("SELECT {star} FROM {from} WHERE {condition}")
    }

    /// Columns that are not there, named by who guesses them.
    fn guess(&mut self) -> String {
        let guess = match self.dice.below(3) {
            0 => self.dice.one_of(&HIDDEN),
            1 => self.dice.one_of(&["secrt", "other1", "tiers", "Tier", "\"SECRET\"", "_row"]),
            _ => self.dice.one_of(&["nowhere", "salry", "\"Salary\"", "t1.tier", "b.secret"]),
        };
        let (from, scope) = self.table();
        let other = self.any(&scope, 1).1;
        match self.dice.below(6) {
            0 => format!("SELECT {guess} FROM {from}"),
            1 => format!("SELECT {other} FROM {from} WHERE {guess} = 1"),
            2 => format!("SELECT * EXCLUDE ({guess}) FROM {from}"),
            3 => format!("SELECT {other} FROM {from} JOIN a.b USING ({guess})"),
            4 => format!("SELECT count(*) FROM {from} GROUP BY {guess}"),
            _ => format!("SELECT {other} FROM {from} ORDER BY upper({guess})"),
        }
    }
}

/// A query for those columns.
fn query(items: &[(Kind, String)], prefix: &str, rest: &str) -> Query {
    let columns = items.iter().enumerate();
    let columns: Vec<_> = columns.map(|(place, (_, sql))| format!("{sql} AS c{place}")).collect();
    let kinds = items.iter().map(|(kind, _)| *kind).collect();
    let sql = format!("SELECT {prefix}{} {rest}", columns.join(", "));
    Query { sql, kinds, is_ordered: prefix.starts_with("DISTINCT ON") }
}
