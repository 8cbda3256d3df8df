//! Expressions of a kind, over the columns that are there.

use serde_json::json;

use super::{
    Kind, Maker, Role, Scope,
    templates::{
        AGGREGATE, ARMED, COLUMNS, FAILING, FRAMES, KINDS, LIKES, LITERALS, REGEXES, SCALAR, UNITS,
        WINDOW,
    },
};

/// One expression in so many fails wherever it runs.
const FAILS: usize = 250;

impl Maker {
    /// An expression of any kind: the wanted function, if that has not been used.
    pub(super) fn any(&mut self, scope: &Scope, depth: usize) -> (Kind, String) {
        if let Some((kind, template)) = self.take_wanted(Role::Scalar) {
            return (kind, self.fill(template, scope, depth));
        }
        let kind = match self.dice.below(3) {
            0 => Kind::Long,
            1 => Kind::Text,
            _ => self.dice.one_of(&KINDS),
        };
        (kind, self.expression(scope, kind, depth))
    }

    /// The same of a kind that can be compared.
    pub(super) fn any_plain(&mut self, scope: &Scope, depth: usize) -> (Kind, String) {
        match self.any(scope, depth) {
            (kind, sql) if kind.is_plain() => (kind, sql),
            (Kind::Point, sql) => (Kind::Long, format!("get_field({sql}, 'x')")),
            (_, sql) => (Kind::Texts, format!("map_keys({sql})")),
        }
    }

    pub(super) fn expression(&mut self, scope: &Scope, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.dice.below(4) == 0 {
            return self.column(scope, kind);
        }
        if self.dice.once_in(FAILS)
            && let Some(template) = self.template(&FAILING, kind)
        {
            return self.fill(template, scope, depth - 1);
        }
        let has_files = scope.iter().any(|column| !column.name.is_empty());
        let is_armed = match kind {
            Kind::Bool => self.dice.below(2) == 1,
            _ => self.dice.below(4) == 3,
        };
        let template = match has_files && is_armed {
            true => self.template(&ARMED, kind),
            false => None,
        };
        let template = template.or_else(|| self.template(&SCALAR, kind));
        let template = template.expect("every kind has templates");
        self.fill(template, scope, depth - 1)
    }

    fn template(&mut self, of: &[(Kind, &[&'static str])], kind: Kind) -> Option<&'static str> {
        let (_, texts) = of.iter().find(|(found, _)| *found == kind)?;
        Some(self.dice.one_of(texts))
    }

    fn column(&mut self, scope: &Scope, kind: Kind) -> String {
        let fitting: Vec<_> = scope.iter().filter(|column| column.kind == kind).collect();
        match fitting.is_empty() {
            true => self.constant(kind),
            false => self.dice.one_of(&fitting).sql.clone(),
        }
    }

    fn constant(&mut self, kind: Kind) -> String {
        match kind {
            // A number alone may be the place of a column.
            Kind::Long => format!("CAST({} AS BIGINT)", self.number()),
            Kind::Text => self.literal(),
            Kind::Bool => self.dice.one_of(&["true", "true", "true", "false"]).to_owned(),
            Kind::Double => "CAST(2.5 AS DOUBLE)".to_owned(),
            Kind::Decimal => "CAST(2.50 AS DECIMAL(9, 2))".to_owned(),
            Kind::Date => "DATE '2024-05-05'".to_owned(),
            Kind::Stamp => "TIMESTAMP '2024-05-05T05:05:05Z'".to_owned(),
            Kind::Bytes => "sha224('a')".to_owned(),
            Kind::Longs => "[1, 2, 5]".to_owned(),
            Kind::Texts => "['red', 'EU']".to_owned(),
            Kind::Point => "named_struct('x', 1, 'y', 'red')".to_owned(),
            Kind::Counts => "map(['a', 'b'], [1, 2])".to_owned(),
        }
    }

    fn number(&mut self) -> String {
        let number = 1 + self.dice.below(9);
        match self.dice.once_in(40) {
            true => self.parameter(json!(number)),
            false => number.to_string(),
        }
    }

    fn literal(&mut self) -> String {
        let literal = self.dice.one_of(&LITERALS);
        match self.dice.once_in(12) {
            true => self.parameter(json!(literal)),
            false => format!("'{literal}'"),
        }
    }

    fn parameter(&mut self, value: serde_json::Value) -> String {
        self.parameters.push(value);
        format!("${}", self.parameters.len())
    }

    /// `template` with something in each of its holes.
    pub(super) fn fill(&mut self, template: &str, scope: &Scope, depth: usize) -> String {
        let (mut filled, mut first) = (String::new(), None);
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            let inside = &rest[start + 1..];
            let end = inside.find(|char: char| !char.is_ascii_lowercase() && char != '_').unwrap();
            filled += &rest[..start];
            match inside[end..].strip_prefix('}').filter(|_| end > 0) {
                Some(after) => {
                    let inside = match (&inside[..end], &first) {
                        ("again", Some(first)) => String::clone(first),
                        (name, _) => self.hole(name, scope, depth),
                    };
                    filled += &inside;
                    first.get_or_insert(inside);
                    rest = after;
                }
                // A brace of SQL's own.
                None => {
                    filled.push('{');
                    rest = inside;
                }
            }
        }
        filled + rest
    }

    fn hole(&mut self, name: &str, scope: &Scope, depth: usize) -> String {
        let kind = match name {
            "n" => return (1 + self.dice.below(9)).to_string(),
            "z" => return (self.dice.below(12) as i64 - 3).to_string(),
            "number" => return self.number(),
            "literal" => return self.literal(),
            "regex" => return format!("'{}'", self.dice.one_of(&REGEXES)),
            "like" => return format!("'{}'", self.dice.one_of(&LIKES)),
            "unit" => return format!("'{}'", self.dice.one_of(&UNITS)),
            "any" => return self.any(scope, depth).1,
            "long" => Kind::Long,
            "text" => Kind::Text,
            "bool" => Kind::Bool,
            "double" => Kind::Double,
            "decimal" => Kind::Decimal,
            "date" => Kind::Date,
            "stamp" => Kind::Stamp,
            "bytes" => Kind::Bytes,
            "longs" => Kind::Longs,
            "texts" => Kind::Texts,
            "point" => Kind::Point,
            "counts" => Kind::Counts,
            column => return self.column_called(column, scope),
        };
        self.expression(scope, kind, depth)
    }

    /// The column of that name, or something like it.
    fn column_called(&mut self, name: &str, scope: &Scope) -> String {
        let there: Vec<_> = scope.iter().filter(|column| column.name == name).collect();
        if !there.is_empty() {
            return self.dice.one_of(&there).sql.clone();
        }
        let known = COLUMNS.iter().find(|(known, _)| *known == name);
        let (_, kind) = known.unwrap_or_else(|| panic!("nothing is called `{name}`"));
        self.constant(*kind)
    }

    /// A condition, which may ask other tables.
    pub(super) fn condition(&mut self, scope: &Scope, depth: usize) -> String {
        match self.dice.below(8) {
            7 if depth > 0 => self.subquery_condition(scope),
            _ => self.expression(scope, Kind::Bool, depth.max(1)),
        }
    }

    /// An aggregate of a kind, or of any.
    pub(super) fn aggregate(&mut self, scope: &Scope, kind: Option<Kind>) -> (Kind, String) {
        let (kind, template) = match (self.take_wanted(Role::Aggregate), kind) {
            (Some(wanted), None) => wanted,
            (Some((_, template)), Some(kind)) => {
                let counted = self.fill(template, scope, 1);
                let other = self.aggregate(scope, Some(kind)).1;
                return (
                    kind,
                    format!("CASE WHEN {counted} IS NULL THEN {other} ELSE {other} END"),
                );
            }
            (None, kind) => {
                let kind = kind.unwrap_or_else(|| self.dice.one_of(&AGGREGATE).0);
                match self.template(&AGGREGATE, kind) {
                    Some(template) => (kind, template),
                    None => {
                        let inner = self.expression(scope, kind, 1);
                        return (kind, format!("first_value({inner})"));
                    }
                }
            }
        };
        (kind, self.fill(template, scope, 1))
    }

    /// A window function over rows in an order that leaves nothing open where ids are there.
    pub(super) fn window(&mut self, scope: &Scope) -> (Kind, String) {
        let (kind, template) = match self.take_wanted(Role::Window) {
            Some(wanted) => wanted,
            None => {
                let kind = self.dice.one_of(&WINDOW).0;
                (kind, self.template(&WINDOW, kind).expect("each kind here has templates"))
            }
        };
        let call = self.fill(template, scope, 1);
        (kind, format!("{call} OVER ({})", self.window_specification(scope)))
    }

    pub(super) fn window_specification(&mut self, scope: &Scope) -> String {
        let partition = match self.dice.below(3) {
            2 => String::new(),
            _ => format!("PARTITION BY {} ", self.any_plain(scope, 1).1),
        };
        let order = self.any_plain(scope, 1).1;
        let ids = scope.iter().filter(|column| column.name == "id");
        let ids: String = ids.map(|column| format!(", {}", column.sql)).collect();
        let frame = self.dice.one_of(&FRAMES);
        format!("{partition}ORDER BY {order}{ids} {frame}").trim_end().to_owned()
    }
}
