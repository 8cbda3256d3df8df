//! One JSON text into a value that remembers how it was written.
//!
//! Strict as RFC 8259 is, and stricter where it leaves things open: a key comes once in an object,
//! text is Unicode (no half of a surrogate pair), nesting has an end. Numbers stay text, so that
//! nothing is rounded here.

use std::{borrow::Cow, collections::HashSet};

use lakebed_core::ReasonCode;

/// How deep values may be nested.
pub(super) const DEEPEST: usize = 64;

/// A value and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'t> {
    pub(super) raw: &'t str,
    pub(super) value: Value<'t>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'t> {
    Null,
    Boolean,
    Number,
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    Object(Vec<(Cow<'t, str>, Node<'t>)>),
}

/// Why a text is no value: the reason its row is quarantined with.
pub(super) type Fault = ReasonCode;

/// Reads `text`, which holds one value and nothing else but white space.
pub(super) fn parse(text: &[u8]) -> Result<Node<'_>, Fault> {
    let text = simdutf8::basic::from_utf8(text).map_err(|_| Fault::EncodingError)?;
    let mut parser = Parser { text, at: 0 };
    parser.skip_space();
    let node = parser.value(0)?;
    parser.skip_space();
    match parser.at == text.len() {
        true => Ok(node),
        false => Err(Fault::SourceError),
    }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    fn bytes(&self) -> &'t [u8] {
        self.text.as_bytes()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        match self.peek() == Some(byte) {
            true => {
                self.at += 1;
                Ok(())
            }
            false => Err(Fault::SourceError),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Node<'t>, Fault> {
        if depth > DEEPEST {
            return Err(Fault::SourceError);
        }
        let start = self.at;
        let value = match self.peek().ok_or(Fault::SourceError)? {
            b'{' => self.object(depth)?,
            b'[' => self.list(depth)?,
            b'"' => Value::Text(self.string()?),
            b'n' => self.word("null", Value::Null)?,
            b't' => self.word("true", Value::Boolean)?,
            b'f' => self.word("false", Value::Boolean)?,
            _ => self.number()?,
        };
        Ok(Node { raw: &self.text[start..self.at], value })
    }

    fn word(&mut self, word: &str, value: Value<'t>) -> Result<Value<'t>, Fault> {
        match self.bytes()[self.at..].starts_with(word.as_bytes()) {
            true => {
                self.at += word.len();
                Ok(value)
            }
            false => Err(Fault::SourceError),
        }
    }

    /// `-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?`
    fn number(&mut self) -> Result<Value<'t>, Fault> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(Value::Number)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(Fault::SourceError) }
    }

    fn list(&mut self, depth: usize) -> Result<Value<'t>, Fault> {
        self.expect(b'[')?;
        self.skip_space();
        let mut items = Vec::new();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Value::List(items));
        }
        loop {
            self.skip_space();
            items.push(self.value(depth + 1)?);
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b']')?;
        Ok(Value::List(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'t>, Fault> {
        self.expect(b'{')?;
        self.skip_space();
        let mut fields: Vec<(Cow<'t, str>, Node<'t>)> = Vec::new();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Value::Object(fields));
        }
        loop {
            self.skip_space();
            let key = self.string()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            fields.push((key, self.value(depth + 1)?));
            self.skip_space();
            match self.peek() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.expect(b'}')?;
        match has_duplicates(&fields) {
            true => Err(Fault::SourceError),
            false => Ok(Value::Object(fields)),
        }
    }

    fn string(&mut self) -> Result<Cow<'t, str>, Fault> {
        self.expect(b'"')?;
        let start = self.at;
        let mut text: Option<String> = None;
        let mut copied = start;
        loop {
            match self.peek().ok_or(Fault::SourceError)? {
                b'"' => {
                    let rest = &self.text[copied..self.at];
                    self.at += 1;
                    return Ok(match text {
                        None => Cow::Borrowed(rest),
                        Some(text) => Cow::Owned(text + rest),
                    });
                }
                b'\\' => {
                    let so_far = text.get_or_insert_default();
                    so_far.push_str(&self.text[copied..self.at]);
                    self.at += 1;
                    let character = self.escaped()?;
                    text.get_or_insert_default().push(character);
                    copied = self.at;
                }
                0..=0x1f => return Err(Fault::SourceError),
                _ => self.at += 1,
            }
        }
    }

    /// What follows a backslash.
    fn escaped(&mut self) -> Result<char, Fault> {
        let byte = self.peek().ok_or(Fault::SourceError)?;
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.escaped_unicode(),
            _ => return Err(Fault::SourceError),
        })
    }

    fn escaped_unicode(&mut self) -> Result<char, Fault> {
        let first = self.hex()?;
        if !(0xd800..0xdc00).contains(&first) {
            return char::from_u32(first).ok_or(Fault::EncodingError);
        }
        if !self.bytes()[self.at..].starts_with(b"\\u") {
            return Err(Fault::EncodingError);
        }
        self.at += 2;
        let second = self.hex()?;
        match (0xdc00..0xe000).contains(&second) {
            true => {
                let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                char::from_u32(code).ok_or(Fault::EncodingError)
            }
            false => Err(Fault::EncodingError),
        }
    }

    fn hex(&mut self) -> Result<u32, Fault> {
        let digits = self.bytes().get(self.at..self.at + 4).ok_or(Fault::SourceError)?;
        let mut code = 0;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or(Fault::SourceError)?;
            code = code * 16 + digit;
        }
        self.at += 4;
        Ok(code)
    }
}

fn has_duplicates(fields: &[(Cow<'_, str>, Node<'_>)]) -> bool {
    if fields.len() <= 16 {
        let is_again = |(index, (key, _)): (usize, &(Cow<'_, str>, Node<'_>))| {
            fields[..index].iter().any(|(other, _)| other == key)
        };
        return fields.iter().enumerate().any(is_again);
    }
    let mut seen = HashSet::with_capacity(fields.len());
    !fields.iter().all(|(key, _)| seen.insert(key))
}

pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(json: &str) -> Option<String> {
        match parse(json.as_bytes()).ok()?.value {
            Value::Text(text) => Some(text.into_owned()),
            _ => None,
        }
    }

    #[test]
    fn strings_are_unescaped() {
        assert_eq!(
            text(r#""a\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00b""#).as_deref(),
            Some("a\"\\/\u{8}\u{c}\n\r\té😀b")
        );
        assert_eq!(parse(br#""\ud83d""#), Err(Fault::EncodingError));
        assert_eq!(parse(br#""\ude00\ud83d""#), Err(Fault::EncodingError));
        assert_eq!(parse(b"\"\xff\""), Err(Fault::EncodingError));
        assert_eq!(parse(b"\"a\nb\""), Err(Fault::SourceError));
    }

    #[test]
    fn what_is_not_json_is_a_fault() {
        for bad in [
            "",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "NaN",
            "{\"a\":1,}",
            "[1,]",
            "{a:1}",
            "{'a':1}",
            "[1}",
            "1 2",
            "{\"a\":1,\"a\":2}",
            "{\"a\":1,\"\\u0061\":2}",
            "tru",
            "\"\\x\"",
            "\"",
            "[",
            "{\"a\"}",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(deep(DEEPEST + 1).as_bytes()).is_ok());
        assert_eq!(parse(deep(DEEPEST + 2).as_bytes()), Err(Fault::SourceError));
        assert!(parse(deep(1_000_000).as_bytes()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

        /// What we take, another parser takes as well; what it takes and we do not has a reason.
        #[test]
        fn another_parser_agrees(text in prop::collection::vec(prop::sample::select(
            b"{}[]\",:1203.-eE+ \n\\u0041dcabtrufalsn\x80\xc3\xa9".to_vec()), 0..24)) {
            let other = serde_json::from_slice::<serde_json::Value>(&text);
            match parse(&text) {
                Ok(_) => prop_assert!(other.is_ok() || other.is_err_and(|e| e.to_string().contains("out of range"))),
                Err(_) => prop_assert!(other.is_err() || duplicates(&text)),
            }
        }
    }

    /// Whether some object in it has a key twice: the other parser keeps the last.
    fn duplicates(text: &[u8]) -> bool {
        text.iter().filter(|byte| **byte == b':').count() >= 2
    }
}
