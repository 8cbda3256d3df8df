//! Reading a row filter: recursive descent, within bounds, with the place of every mistake.

use std::str::FromStr;

use crate::{AttributeName, contract::Number, name::printable};

use super::{
    filter::{Comparison, Expression, Literal, Operand, RowFilter, Value, WORDS},
    tokens::{Placed, Token, tokens},
};

/// The longest text, in bytes.
const MAX_TEXT: usize = 8 << 10;
/// How deep parentheses and `not` may nest.
const MAX_DEPTH: usize = 32;

/// A text that is no row filter; says where, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message} (character {place} of the row filter)")]
pub struct FilterError {
    /// Characters up to it, from 1.
    pub place: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

impl FilterError {
    pub(super) fn at(place: usize, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { place, message: message.into(), hint: hint.into() }
    }
}

impl FromStr for RowFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_TEXT {
            let message = format!("a row filter is longer than {MAX_TEXT} bytes");
            return Err(FilterError::at(1, message, "put what is long into an attribute"));
        }
        let mut parser = Parser { tokens: tokens(text)?, at: 0, end: text.chars().count() + 1 };
        let expression = parser.or(0)?;
        match parser.peek() {
            None => Ok(Self(expression)),
            Some(_) => Err(parser.unexpected("`and`, `or` or the end")),
        }
    }
}

struct Parser {
    tokens: Vec<Placed>,
    at: usize,
    /// Where the text ends.
    end: usize,
}

impl Parser {
    fn or(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = Vec::new();
        loop {
            match self.and(depth)? {
                Expression::Or(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            if !self.takes_word("or") {
                return Ok(one_or(parts, Expression::Or));
            }
        }
    }

    fn and(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut parts = Vec::new();
        loop {
            match self.not(depth)? {
                Expression::And(inner) => parts.extend(inner),
                part => parts.push(part),
            }
            if !self.takes_word("and") {
                return Ok(one_or(parts, Expression::And));
            }
        }
    }

    fn not(&mut self, depth: usize) -> Result<Expression, FilterError> {
        if depth > MAX_DEPTH {
            let message = format!("a row filter nests more than {MAX_DEPTH} levels deep");
            return Err(FilterError::at(self.place(), message, "write it flatter"));
        }
        if self.takes_word("not") {
            return Ok(Expression::Not(Box::new(self.not(depth + 1)?)));
        }
        if self.takes_sign("(") {
            let inner = self.or(depth + 1)?;
            self.expect_sign(")")?;
            return Ok(inner);
        }
        self.test()
    }

    /// `operand op value`, `operand [not] in (…)`, `column is [not] null`, `operand [not] like '…%'`.
    fn test(&mut self) -> Result<Expression, FilterError> {
        for (word, value) in [("true", true), ("false", false)] {
            if self.takes_word(word) {
                return Ok(Expression::Constant(value));
            }
        }
        let place = self.place();
        let operand = self.operand()?;
        if let Some(comparison) = self.comparison() {
            let value = self.value()?;
            return Ok(Expression::Compare { operand, comparison, value });
        }
        if self.takes_word("is") {
            let is_not = self.takes_word("not");
            if !self.takes_word("null") {
                return Err(self.unexpected("`null`"));
            }
            let Operand::Column(column) = operand else {
                let hint = "whoever lacks an attribute that a policy names sees no row";
                return Err(FilterError::at(place, "an attribute is never null", hint));
            };
            return Ok(negated(Expression::IsNull { column }, is_not));
        }
        let is_not = self.takes_word("not");
        if self.takes_word("in") {
            return Ok(negated(Expression::In { operand, values: self.values()? }, is_not));
        }
        if self.takes_word("like") {
            return Ok(negated(Expression::StartsWith { operand, prefix: self.prefix()? }, is_not));
        }
        let wanted = match is_not {
            true => "`in` or `like`",
            false => "a comparison, `in`, `is` or `like`",
        };
        Err(self.unexpected(wanted))
    }

    fn operand(&mut self) -> Result<Operand, FilterError> {
        match self.peek().cloned() {
            Some(Token::Quoted(name)) => {
                self.at += 1;
                Ok(Operand::Column(name))
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("principal") => {
                self.attribute().map(Operand::Attribute)
            }
            Some(Token::Word(word)) if !is_reserved(&word) => {
                self.at += 1;
                match self.peek() {
                    Some(Token::Sign("(")) => Err(FilterError::at(
                        self.place(),
                        format!("`{}` is called like a function", printable(&word)),
                        "there are no functions in a row filter",
                    )),
                    Some(Token::Sign(".")) => Err(FilterError::at(
                        self.place(),
                        "a column has no table before it",
                        "write the name of the column alone, or `principal.` and an attribute",
                    )),
                    _ => Ok(Operand::Column(word)),
                }
            }
            Some(Token::Text(_) | Token::Number(_)) => {
                let mut error = self.unexpected("a column or `principal.` and an attribute");
                error.hint = "the column stands on the left, as in `region = 'EU'`".to_owned();
                Err(error)
            }
            _ => Err(self.unexpected("a column or `principal.` and an attribute")),
        }
    }

    /// `principal.region`; the first word is the next token.
    fn attribute(&mut self) -> Result<AttributeName, FilterError> {
        self.at += 1;
        self.expect_sign(".")?;
        let place = self.place();
        let Some(Token::Word(name)) = self.peek().cloned() else {
            return Err(self.unexpected("the name of an attribute"));
        };
        self.at += 1;
        name.parse().map_err(|error: crate::PrincipalError| {
            FilterError::at(
                place,
                error.to_string(),
                "attributes stand in groups.yaml, `principals`",
            )
        })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        let Some(Token::Sign(sign)) = self.peek() else { return None };
        let comparison = match *sign {
            "=" => Comparison::Equal,
            "<>" => Comparison::NotEqual,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            _ => return None,
        };
        self.at += 1;
        Some(comparison)
    }

    fn value(&mut self) -> Result<Value, FilterError> {
        let place = self.place();
        match self.peek().cloned() {
            Some(Token::Text(text)) => {
                self.at += 1;
                Ok(Value::Literal(Literal::Text(text)))
            }
            Some(Token::Number(digits)) => {
                self.at += 1;
                let number = digits.parse::<Number>().map_err(|error| {
                    FilterError::at(place, error.to_string(), "write digits, perhaps with a point")
                })?;
                Ok(Value::Literal(Literal::Number(number)))
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("principal") => {
                self.attribute().map(Value::Attribute)
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("true") => {
                self.at += 1;
                Ok(Value::Literal(Literal::Boolean(true)))
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("false") => {
                self.at += 1;
                Ok(Value::Literal(Literal::Boolean(false)))
            }
            Some(Token::Word(word)) if word.eq_ignore_ascii_case("null") => {
                let hint = "write `is null` or `is not null`";
                Err(FilterError::at(place, "nothing is equal to null", hint))
            }
            Some(Token::Word(_) | Token::Quoted(_)) => {
                let mut error = self.unexpected("a value");
                error.hint = "texts stand in single quotes; columns are compared with values, not \
                              with columns"
                    .to_owned();
                Err(error)
            }
            _ => Err(self.unexpected("a value")),
        }
    }

    fn values(&mut self) -> Result<Vec<Value>, FilterError> {
        self.expect_sign("(")?;
        let mut values = vec![self.value()?];
        while self.takes_sign(",") {
            values.push(self.value()?);
        }
        self.expect_sign(")")?;
        Ok(values)
    }

    /// Of patterns only a beginning and `%`.
    fn prefix(&mut self) -> Result<String, FilterError> {
        let place = self.place();
        let Some(Token::Text(pattern)) = self.peek().cloned() else {
            return Err(self.unexpected("a text, as in `like 'EU-%'`"));
        };
        self.at += 1;
        let prefix = pattern.strip_suffix('%').filter(|prefix| !prefix.contains(['%', '_', '\\']));
        prefix.map(str::to_owned).ok_or_else(|| {
            let message = format!("`{}` is no beginning", printable(&pattern));
            let hint = "of patterns only those with one `%`, at the end, and no `_` or `\\`";
            FilterError::at(place, message, hint)
        })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn place(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(place, _)| *place)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_it =
            matches!(self.peek(), Some(Token::Word(found)) if found.eq_ignore_ascii_case(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Some(Token::Sign(found)) if *found == sign);
        self.at += usize::from(is_it);
        is_it
    }

    fn expect_sign(&mut self, sign: &str) -> Result<(), FilterError> {
        match self.takes_sign(sign) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{sign}`"))),
        }
    }

    fn unexpected(&self, wanted: &str) -> FilterError {
        let found = match self.peek() {
            None => "the row filter ends".to_owned(),
            Some(Token::Word(word)) => format!("`{}` stands", printable(word)),
            Some(Token::Quoted(name)) => format!("`\"{}\"` stands", printable(name)),
            Some(Token::Text(_)) => "a text stands".to_owned(),
            Some(Token::Number(number)) => format!("`{}` stands", printable(number)),
            Some(Token::Sign(sign)) => format!("`{sign}` stands"),
        };
        let hint = "as in `region = principal.region and status in ('a', 'b')`";
        FilterError::at(self.place(), format!("{found} where {wanted} should be"), hint)
    }
}

fn is_reserved(word: &str) -> bool {
    WORDS.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
}

fn negated(expression: Expression, is_not: bool) -> Expression {
    match is_not {
        true => Expression::Not(Box::new(expression)),
        false => expression,
    }
}

fn one_or(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*, sample};

    use super::*;

    fn printed(text: &str) -> String {
        match text.parse::<RowFilter>() {
            Ok(filter) => filter.to_string(),
            Err(error) => format!("{error}\nhint: {}", error.hint),
        }
    }

    #[test]
    fn filters_have_one_text() {
        for (given, canonical) in [
            ("region=principal.region", "region = principal.region"),
            (
                "(a = 1 AND (b != 'x''y')) Or NOT c IN (1,-2.50)",
                "a = 1 and b <> 'x''y' or c not in (1, -2.5)",
            ),
            ("a = 1 and (b = 2 or c = 3)", "a = 1 and (b = 2 or c = 3)"),
            ("not (a = 1 or b = 2)", "not (a = 1 or b = 2)"),
            ("not not true", "not not true"),
            ("\"two words\" is NOT null", "\"two words\" is not null"),
            ("\"plain\" is null and \"And\" is null", "plain is null and \"And\" is null"),
            ("name like 'EU-%'", "name like 'EU-%'"),
            ("principal.senior = true or level >= 3", "principal.senior = true or level >= 3"),
        ] {
            assert_eq!(printed(given), canonical);
            assert_eq!(printed(canonical), canonical);
        }
    }

    #[test]
    fn what_is_no_filter_says_where_and_what_to_write() {
        let all: Vec<String> = [
            "",
            "region",
            "region =",
            "region = EU",
            "'EU' = region",
            "region == 'EU'",
            "upper(region) = 'EU'",
            "c.region = 'EU'",
            "a = 1 b = 2",
            "a = null",
            "a is 1",
            "a like '%x'",
            "a in ()",
            "(a = 1",
            "a = 'x",
            "a + 1 = 2",
            "a = -",
            "a = 1.2.3",
            "principal.Region = 'x'",
            "principal.region is null",
            "a not 1",
            "ä = 1",
            "a = 1; drop table x",
        ]
        .into_iter()
        .map(|text| format!("{text}\n  {}", printed(text).replace('\n', "\n  ")))
        .collect();
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn bounds_hold() {
        let deep = format!("{}a = 1{}", "(".repeat(5_000), ")".repeat(5_000));
        let nots = format!("{} true", "not ".repeat(2_000));
        let long = format!("a = '{}'", "x".repeat(MAX_TEXT));
        for text in [deep, nots, long] {
            assert!(text.parse::<RowFilter>().is_err());
        }
    }

    fn operand() -> impl Strategy<Value = Operand> {
        let columns = ["a", "Region", "two words", "and", "principal", "quo\"te", "ä", "1st"];
        prop_oneof![
            sample::select(columns.to_vec()).prop_map(|name| Operand::Column(name.to_owned())),
            Just(Operand::Attribute("region".parse().expect("a name"))),
        ]
    }

    fn value() -> impl Strategy<Value = Value> {
        prop_oneof![
            any::<bool>().prop_map(|value| Value::Literal(Literal::Boolean(value))),
            (any::<i64>(), 0..10_u8).prop_map(|(unscaled, scale)| {
                Value::Literal(Literal::Number(Number::from_scaled(i128::from(unscaled), scale)))
            }),
            "[a'\"%ä ]{0,6}".prop_map(|text| Value::Literal(Literal::Text(text))),
            Just(Value::Attribute("level".parse().expect("a name"))),
        ]
    }

    fn expression() -> impl Strategy<Value = Expression> {
        let comparisons = [
            Comparison::Equal,
            Comparison::NotEqual,
            Comparison::Less,
            Comparison::LessOrEqual,
            Comparison::Greater,
            Comparison::GreaterOrEqual,
        ];
        let leaf = prop_oneof![
            any::<bool>().prop_map(Expression::Constant),
            (operand(), sample::select(comparisons.to_vec()), value()).prop_map(
                |(operand, comparison, value)| Expression::Compare { operand, comparison, value }
            ),
            (operand(), collection::vec(value(), 1..4))
                .prop_map(|(operand, values)| Expression::In { operand, values }),
            sample::select(&["a", "not", "x y"][..])
                .prop_map(|column| Expression::IsNull { column: column.to_owned() }),
            (operand(), "[a' ]{0,4}")
                .prop_map(|(operand, prefix)| Expression::StartsWith { operand, prefix }),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let parts = || collection::vec(inner.clone(), 2..4);
            let flat = |parts: Vec<Expression>, is_and: bool| {
                let mut flat = Vec::new();
                for part in parts {
                    match (part, is_and) {
                        (Expression::And(inner), true) | (Expression::Or(inner), false) => {
                            flat.extend(inner);
                        }
                        (part, _) => flat.push(part),
                    }
                }
                if is_and { Expression::And(flat) } else { Expression::Or(flat) }
            };
            prop_oneof![
                inner.clone().prop_map(|inner| Expression::Not(Box::new(inner))),
                parts().prop_map(move |parts| flat(parts, true)),
                parts().prop_map(move |parts| flat(parts, false)),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        /// What is printed means what was read, whatever stands in it.
        #[test]
        fn printing_and_reading_are_inverse(expression in expression()) {
            let filter = RowFilter(expression);
            prop_assert_eq!(filter.to_string().parse::<RowFilter>(), Ok(filter));
        }

        /// Any text is a filter or a mistake that can be printed, at a place in it.
        #[test]
        fn any_text_is_a_filter_or_a_mistake(text in "[ -~äß\n\u{7}]{0,60}") {
            if let Err(error) = text.parse::<RowFilter>() {
                prop_assert!((1..=text.chars().count() + 1).contains(&error.place));
                prop_assert!(!error.to_string().chars().any(char::is_control));
            }
        }
    }
}
