//! What rows come from: the table, its first version, queries, values, series, and joins of these.

use super::{
    Kind, Maker, Role, Scope, Seen, columns_of,
    templates::{COLUMNS, OLD_COLUMNS},
};

const TABLES: [(&str, usize); 2] = [("a.b", COLUMNS.len()), ("a.\"b@v1\"", OLD_COLUMNS)];

impl Maker {
    /// What stands after FROM, and the columns that are there then.
    pub(super) fn from(&mut self, depth: usize) -> (String, Scope) {
        if let Some(name) = self.take_wanted_rows() {
            return self.rows_of(name);
        }
        match self.dice.below(12) {
            0..=5 => self.table(),
            6 if depth > 0 => self.derived(depth - 1),
            7 if !self.with.is_empty() => self.named(),
            8..=10 if depth > 0 => self.join(depth - 1),
            11 => self.small(),
            _ => self.table(),
        }
    }

    pub(super) fn table(&mut self) -> (String, Scope) {
        let (table, columns) = self.dice.one_of(&[TABLES[0], TABLES[0], TABLES[0], TABLES[1]]);
        let name = self.name();
        (format!("{table} {name}"), columns_of(&name, columns))
    }

    fn derived(&mut self, depth: usize) -> (String, Scope) {
        let query = self.query(depth, None);
        let name = self.name();
        (format!("({}) {name}", query.sql), numbered(&name, &query.kinds))
    }

    fn named(&mut self) -> (String, Scope) {
        let (named, kinds) = self.dice.one_of(&self.with.clone());
        let name = self.name();
        (format!("{named} {name}"), numbered(&name, &kinds))
    }

    /// A few rows that are written in the statement.
    fn small(&mut self) -> (String, Scope) {
        let function = self.dice.one_of(&["", "generate_series", "range", "unnest"]);
        if !function.is_empty() {
            return self.rows_of(function);
        }
        let name = self.name();
        let values = format!("(VALUES (1, 'EU'), (2, '***0001'), (7, NULL)) {name}(c0, c1)");
        (values, numbered(&name, &[Kind::Long, Kind::Text]))
    }

    fn rows_of(&mut self, function: &str) -> (String, Scope) {
        let name = self.name();
        let many = 3 + self.dice.below(9);
        let (sql, kind) = match function {
            "unnest" | "unnest_outer" if self.dice.below(2) == 1 => {
                let inner = format!("SELECT id, {function}(tags) AS c0 FROM a.b");
                (format!("({inner}) {name}"), Kind::Long)
            }
            "unnest_outer" => {
                let inner = "SELECT small, unnest_outer(words) AS c0 FROM a.b";
                (format!("({inner}) {name}"), Kind::Text)
            }
            "unnest" => (format!("unnest([1, 2, 5, {many}]) {name}(c0)"), Kind::Long),
            _ => (format!("{function}(1, {many}) {name}(c0)"), Kind::Long),
        };
        (sql, numbered(&name, &[kind]))
    }

    /// Two of them, joined in any way there is.
    fn join(&mut self, depth: usize) -> (String, Scope) {
        let (left, left_scope) = match self.dice.below(4) {
            3 if depth > 0 => self.derived(depth - 1),
            _ => self.table(),
        };
        match self.dice.below(16) {
            12 => return self.natural(),
            13 => return self.lateral(&left, left_scope),
            14 => {
                let (right, right_scope) = self.small();
                return (format!("{left} CROSS JOIN {right}"), [left_scope, right_scope].concat());
            }
            _ => {}
        }
        let (right, right_scope) = match self.dice.below(4) {
            3 => self.small(),
            2 if !self.with.is_empty() => self.named(),
            _ => self.table(),
        };
        let (one, other) = self.join_keys(&left_scope, &right_scope);
        let both = [left_scope.clone(), right_scope.clone()].concat();
        let more = match self.dice.below(3) {
            2 => format!(" AND {}", self.expression(&both, Kind::Bool, 1)),
            _ => String::new(),
        };
        let (join, scope) = self.dice.one_of(&[
            ("JOIN", both.clone()),
            ("LEFT JOIN", both.clone()),
            ("RIGHT JOIN", both.clone()),
            ("FULL JOIN", both),
            ("LEFT SEMI JOIN", left_scope.clone()),
            ("LEFT ANTI JOIN", left_scope),
            ("RIGHT SEMI JOIN", right_scope.clone()),
            ("RIGHT ANTI JOIN", right_scope),
        ]);
        let comparison = self.dice.one_of(&["=", "=", "=", "=", "<", "IS NOT DISTINCT FROM"]);
        (format!("{left} {join} {right} ON {one} {comparison} {other}{more}"), scope)
    }

    /// The same column of both sides, or any expressions of one kind.
    fn join_keys(&mut self, left: &Scope, right: &Scope) -> (String, String) {
        let names = ["id", "note", "amount", "phone", "day", "small", "email"];
        let name = self.dice.one_of(&names);
        let there = |scope: &Scope| {
            scope.iter().find(|column| column.name == name).map(|column| column.sql.clone())
        };
        if let (Some(one), Some(other)) = (there(left), there(right))
            && self.dice.below(4) > 0
        {
            return (one, other);
        }
        let kind = self.dice.one_of(&[Kind::Long, Kind::Long, Kind::Text, Kind::Date]);
        (self.join_key(left, kind), self.join_key(right, kind))
    }

    fn join_key(&mut self, scope: &Scope, kind: Kind) -> String {
        let is_scalar = self.wanted.is_some_and(|(role, _)| role == Role::Scalar);
        if !is_scalar || self.dice.below(4) < 3 {
            return self.expression(scope, kind, 1);
        }
        match self.any_plain(scope, 1) {
            (found, sql) if found == kind => sql,
            // It is there, and decides nothing: what it says is asked elsewhere.
            (_, sql) => {
                let key = self.expression(scope, kind, 0);
                format!("CASE WHEN {sql} IS NULL THEN {key} ELSE {key} END")
            }
        }
    }

    /// Joins by the names of columns.
    fn natural(&mut self) -> (String, Scope) {
        let (left, right) = (self.name(), self.name());
        let columns = columns_of(&left, OLD_COLUMNS);
        let sql = match self.dice.below(3) {
            0 => format!("a.b {left} NATURAL JOIN a.\"b@v1\" {right}"),
            1 => format!("a.b {left} LEFT JOIN a.\"b@v1\" {right} USING (id)"),
            _ => format!("a.b {left} JOIN a.\"b@v1\" {right} USING (id, note)"),
        };
        (sql, columns)
    }

    /// A query for each row of the left side.
    fn lateral(&mut self, left: &str, mut scope: Scope) -> (String, Scope) {
        let (table, inner) = self.table();
        let key = self.dice.one_of(&[Kind::Long, Kind::Text]);
        let (one, other) = (self.expression(&inner, key, 0), self.expression(&scope, key, 0));
        let (kind, aggregate) = self.aggregate(&inner, None);
        let name = self.name();
        let query = format!("SELECT {aggregate} AS c0 FROM {table} WHERE {one} = {other}");
        scope.extend(numbered(&name, &[kind]));
        let sql = match self.dice.below(2) {
            0 => format!("{left} CROSS JOIN LATERAL ({query}) {name}"),
            _ => format!("{left} LEFT JOIN LATERAL ({query}) {name} ON true"),
        };
        (sql, scope)
    }

    /// A condition that asks another table, alone or about each row.
    pub(super) fn subquery_condition(&mut self, scope: &Scope) -> String {
        let (table, inner) = self.table();
        let kind = self.dice.one_of(&[Kind::Long, Kind::Text, Kind::Date]);
        let (one, other) = (self.expression(scope, kind, 1), self.expression(&inner, kind, 1));
        let form = self.dice.below(6);
        let condition = match form {
            3 | 5 => String::new(),
            _ => self.expression(&inner, Kind::Bool, 1),
        };
        match form {
            0 => format!("{one} IN (SELECT {other} FROM {table} WHERE {condition})"),
            1 => format!("{one} NOT IN (SELECT {other} FROM {table} WHERE {condition})"),
            2 => format!("EXISTS (SELECT 1 FROM {table} WHERE {other} = {one} AND {condition})"),
            3 => format!("NOT EXISTS (SELECT 1 FROM {table} WHERE {other} = {one})"),
            4 => format!("{one} >= (SELECT min({other}) FROM {table} WHERE {condition})"),
            _ => {
                let (this, that) =
                    (self.expression(scope, Kind::Long, 0), self.expression(&inner, Kind::Long, 0));
                format!("{one} <= (SELECT max({other}) FROM {table} WHERE {that} = {this})")
            }
        }
    }
}

/// The columns of a query, under its name.
pub(super) fn numbered(qualifier: &str, kinds: &[Kind]) -> Scope {
    let column = |(place, kind): (usize, &Kind)| Seen {
        sql: format!("{qualifier}.c{place}"),
        name: "",
        kind: *kind,
    };
    kinds.iter().enumerate().map(column).collect()
}
