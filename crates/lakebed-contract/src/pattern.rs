//! ECMA-262 expressions, translated for an engine whose time is linear in the text.
//!
//! Lookaround and backreferences need backtracking, whose time a hostile text chooses: they are
//! refused when a contract is registered, with the reason, never when a row is checked. `\d`, `\w`,
//! `\s`, `.`, `^` and `$` mean what they mean in ECMA-262 without flags, but for characters beyond
//! 16 bits, which are one character here (ECMA's flag `u`).

use std::{fmt::Write as _, iter::Peekable, str::Chars};

use regex::{Regex, RegexBuilder};

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 4096;
/// The largest compiled expression, in bytes.
const MAX_COMPILED: usize = 1 << 20;
/// How deep groups may be.
const MAX_NESTING: u32 = 64;

/// White space of ECMA-262, as the inside of a class.
const SPACE: &str = r"\t\n\x0B\x0C\r \u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";

/// An expression that can be run.
#[derive(Debug, Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

/// Why an expression cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It would need backtracking.
    #[error("{0} cannot be run in linear time")]
    Backtracking(&'static str),
    /// It is not understood.
    #[error("{0}")]
    Syntax(String),
    /// It is too large.
    #[error("the expression is too large: {0}")]
    TooLarge(String),
}

impl PatternError {
    /// What to write instead.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Backtracking(_) => {
                "write it without lookaround and backreferences, as `validValues`, or as an sql rule"
            }
            Self::Syntax(_) => "expressions are those of ECMA-262, without slashes and flags",
            Self::TooLarge(_) => "use smaller repetitions, or `minLength` and `maxLength`",
        }
    }
}

impl Pattern {
    /// Translates and compiles.
    ///
    /// # Errors
    /// [`PatternError`] says why not.
    pub fn new(source: &str) -> Result<Self, PatternError> {
        if source.len() > MAX_LENGTH {
            return Err(PatternError::TooLarge(format!("more than {MAX_LENGTH} bytes")));
        }
        let regex = RegexBuilder::new(&Translator::translate(source)?)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .nest_limit(MAX_NESTING)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => PatternError::TooLarge(format!(
                    "compiled it has more than {MAX_COMPILED} bytes"
                )),
                other => {
                    let text = other.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    let reason = last.strip_prefix("error: ").unwrap_or(last);
                    PatternError::Syntax(format!("the expression cannot be read: {reason}"))
                }
            })?;
        Ok(Self { source: source.to_owned(), regex })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches somewhere in `text`.
    #[must_use]
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Whether it says something of the whole text.
    #[must_use]
    pub fn is_anchored(&self) -> bool {
        self.source.starts_with('^') && self.source.ends_with('$') && !self.source.ends_with("\\$")
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Pattern {}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    /// Whether a quantifier may come next.
    can_repeat: bool,
}

fn syntax(text: impl Into<String>) -> PatternError {
    PatternError::Syntax(text.into())
}

impl<'a> Translator<'a> {
    fn translate(source: &'a str) -> Result<String, PatternError> {
        let (rest, out) = (source.chars().peekable(), String::with_capacity(source.len() * 2));
        let mut translator = Self { rest, out, can_repeat: false };
        while let Some(char) = translator.rest.next() {
            translator.step(char)?;
        }
        Ok(translator.out)
    }

    fn step(&mut self, char: char) -> Result<(), PatternError> {
        match char {
            '\\' => return self.escape(),
            '[' => return self.class(),
            '(' => return self.open(),
            '*' | '+' | '?' => return self.repeat(&char.to_string()),
            '{' => return self.braces(),
            '.' => self.atom(r"[^\n\r\u{2028}\u{2029}]"),
            '^' => self.assertion(r"\A"),
            '$' => self.assertion(r"\z"),
            '|' => self.assertion("|"),
            ')' => self.atom(")"),
            other => self.literal(other),
        }
        Ok(())
    }

    fn atom(&mut self, text: &str) {
        self.out.push_str(text);
        self.can_repeat = true;
    }

    fn assertion(&mut self, text: &str) {
        self.out.push_str(text);
        self.can_repeat = false;
    }

    fn literal(&mut self, char: char) {
        self.atom(&regex::escape(char.encode_utf8(&mut [0; 4])));
    }

    /// A quantifier, and the `?` that makes it lazy.
    fn repeat(&mut self, quantifier: &str) -> Result<(), PatternError> {
        if !self.can_repeat {
            return Err(syntax(format!("there is nothing for `{quantifier}` to repeat")));
        }
        self.out.push_str(quantifier);
        self.out.extend(self.rest.next_if_eq(&'?'));
        self.can_repeat = false;
        Ok(())
    }

    /// `{2}`, `{2,}` and `{2,3}` repeat; any other brace stands for itself.
    fn braces(&mut self) -> Result<(), PatternError> {
        let ahead: String = self.rest.clone().take_while(|char| *char != '}').take(24).collect();
        let (low, high) = ahead.split_once(',').unwrap_or((ahead.as_str(), ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let closed = self.rest.clone().nth(ahead.chars().count()) == Some('}');
        if low.is_empty() || !digits(low) || !digits(high) || !closed {
            self.literal('{');
            return Ok(());
        }
        let quantifier = format!("{{{ahead}}}");
        for _ in 0..=ahead.len() {
            self.rest.next();
        }
        self.repeat(&quantifier)
    }

    /// Groups capture nothing: nobody asks what they captured.
    fn open(&mut self) -> Result<(), PatternError> {
        if self.rest.next_if_eq(&'?').is_some() {
            match self.rest.next() {
                Some(':') => {}
                Some('=' | '!') => return Err(PatternError::Backtracking("lookahead")),
                Some('<') => match self.rest.next() {
                    Some('=' | '!') => return Err(PatternError::Backtracking("lookbehind")),
                    _ => {
                        let is_name = |char: &char| *char != '>';
                        while self.rest.next_if(is_name).is_some() {}
                        if self.rest.next().is_none() {
                            return Err(syntax("the name of a group has no end"));
                        }
                    }
                },
                _ => {
                    return Err(syntax(
                        "`(?` must be followed by `:`, or by a name in `<` and `>`",
                    ));
                }
            }
        }
        self.assertion("(?:");
        Ok(())
    }

    fn escape(&mut self) -> Result<(), PatternError> {
        let Some(char) = self.rest.next() else {
            return Err(syntax("a backslash ends the expression"));
        };
        match char {
            'b' => self.assertion(r"(?-u:\b)"),
            'B' => return Err(syntax(r"`\B` is not read here")),
            '1'..='9' | 'k' => return Err(PatternError::Backtracking("a backreference")),
            _ => match self.class_escape(char)? {
                Escaped::Class(inside) => self.atom(&format!("[{inside}]")),
                Escaped::Not(inside) => self.atom(&format!("[^{inside}]")),
                Escaped::Char(char) => self.literal(char),
            },
        }
        Ok(())
    }

    /// What an escape stands for, in a class or outside.
    fn class_escape(&mut self, char: char) -> Result<Escaped, PatternError> {
        Ok(match char {
            'd' => Escaped::Class("0-9"),
            'D' => Escaped::Not("0-9"),
            'w' => Escaped::Class("0-9A-Za-z_"),
            'W' => Escaped::Not("0-9A-Za-z_"),
            's' => Escaped::Class(SPACE),
            'S' => Escaped::Not(SPACE),
            't' => Escaped::Char('\t'),
            'n' => Escaped::Char('\n'),
            'v' => Escaped::Char('\u{B}'),
            'f' => Escaped::Char('\u{C}'),
            'r' => Escaped::Char('\r'),
            '0' if !self.rest.peek().is_some_and(char::is_ascii_digit) => Escaped::Char('\0'),
            'c' => match self.rest.next() {
                Some(letter @ ('a'..='z' | 'A'..='Z')) => {
                    Escaped::Char(char::from(letter as u8 & 0x1F))
                }
                _ => return Err(syntax(r"`\c` must be followed by a letter")),
            },
            'x' => Escaped::Char(self.hex(2)?),
            'u' => Escaped::Char(self.unicode()?),
            'p' | 'P' => return Err(syntax(r"Unicode properties (`\p`) are not read here")),
            other if other.is_alphanumeric() => {
                return Err(syntax(format!("`\\{other}` means nothing here")));
            }
            other => Escaped::Char(other),
        })
    }

    /// The unit that the next `count` hexadecimal digits write.
    fn unit(&mut self, count: usize) -> Result<u32, PatternError> {
        let mut unit = 0;
        for _ in 0..count {
            let digit = self.rest.next().and_then(|char| char.to_digit(16));
            unit = unit * 16 + digit.ok_or_else(|| syntax("a hexadecimal digit is missing"))?;
        }
        Ok(unit)
    }

    fn hex(&mut self, count: usize) -> Result<char, PatternError> {
        let unit = self.unit(count)?;
        char::from_u32(unit).ok_or_else(|| syntax("half a pair of surrogates is no character"))
    }

    /// `\u0041`, `\u{1F600}`, or the two halves of a pair.
    fn unicode(&mut self) -> Result<char, PatternError> {
        let no_character = || syntax("half a pair of surrogates is no character");
        if self.rest.next_if_eq(&'{').is_some() {
            let digits: String = self.rest.by_ref().take_while(|char| *char != '}').collect();
            let code = u32::from_str_radix(&digits, 16).ok();
            return code.and_then(char::from_u32).ok_or_else(no_character);
        }
        let unit = self.unit(4)?;
        if !(0xD800..0xDC00).contains(&unit) {
            return char::from_u32(unit).ok_or_else(no_character);
        }
        if self.rest.next() != Some('\\') || self.rest.next() != Some('u') {
            return Err(no_character());
        }
        let low = self.unit(4)?;
        let offset = low.checked_sub(0xDC00).filter(|offset| *offset < 0x400);
        let code = offset.map(|offset| 0x1_0000 + ((unit - 0xD800) << 10) + offset);
        code.and_then(char::from_u32).ok_or_else(no_character)
    }

    /// `[a-z\d]`: everything that is a set operation elsewhere stands for itself in ECMA-262.
    fn class(&mut self) -> Result<(), PatternError> {
        let is_negated = self.rest.next_if_eq(&'^').is_some();
        let mut inside = String::new();
        loop {
            match self.member()? {
                None => break,
                Some(Escaped::Char(low)) if self.begins_range() => {
                    self.rest.next();
                    match self.member()? {
                        Some(Escaped::Char(high)) if low <= high => {
                            push_range(&mut inside, low, high);
                        }
                        Some(Escaped::Char(_)) => {
                            return Err(syntax("a range of a class is empty"));
                        }
                        Some(set) => {
                            push_range(&mut inside, low, low);
                            push_range(&mut inside, '-', '-');
                            push_set(&mut inside, &set);
                        }
                        None => return Err(syntax("a class has no end")),
                    }
                }
                Some(Escaped::Char(char)) => push_range(&mut inside, char, char),
                Some(set) => push_set(&mut inside, &set),
            }
        }
        match (inside.is_empty(), is_negated) {
            (true, false) => self.atom(r"[^\x00-\u{10FFFF}]"),
            (true, true) => self.atom(r"[\x00-\u{10FFFF}]"),
            (false, true) => self.atom(&format!("[^{inside}]")),
            (false, false) => self.atom(&format!("[{inside}]")),
        }
        Ok(())
    }

    /// A `-` that is not the last of its class.
    fn begins_range(&self) -> bool {
        let mut ahead = self.rest.clone();
        ahead.next() == Some('-') && ahead.next() != Some(']')
    }

    /// The next member of a class; none at its end.
    fn member(&mut self) -> Result<Option<Escaped>, PatternError> {
        match self.rest.next() {
            None => Err(syntax("a class has no end")),
            Some(']') => Ok(None),
            Some('\\') => match self.rest.next() {
                None => Err(syntax("a backslash ends the expression")),
                Some('b') => Ok(Some(Escaped::Char('\u{8}'))),
                Some('-') => Ok(Some(Escaped::Char('-'))),
                Some(char) => self.class_escape(char).map(Some),
            },
            Some(char) => Ok(Some(Escaped::Char(char))),
        }
    }
}

/// What an escape stands for.
enum Escaped {
    Char(char),
    /// The inside of a class.
    Class(&'static str),
    /// The inside of a class that is negated.
    Not(&'static str),
}

fn push_range(inside: &mut String, low: char, high: char) {
    let _ = write!(inside, r"\u{{{:X}}}-\u{{{:X}}}", u32::from(low), u32::from(high));
}

fn push_set(inside: &mut String, set: &Escaped) {
    match set {
        Escaped::Char(char) => push_range(inside, *char, *char),
        Escaped::Class(class) => inside.push_str(class),
        Escaped::Not(class) => {
            let _ = write!(inside, "[^{class}]");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}")).is_match(text)
    }

    /// What engines of ECMA-262 answer to the same questions.
    #[test]
    fn expressions_mean_what_they_mean_in_ecma() {
        for (pattern, text, expected) in [
            ("ACC[0-9]{8}", "xACC12345678", true),
            ("^ACC[0-9]{8}$", "xACC12345678", false),
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^\w+$", "straße", false),
            (r"^\s$", "\u{A0}", true),
            (r"^\S$", "\u{2003}", false),
            ("^a$", "a\n", false),
            ("^.$", "\n", false),
            ("^.$", "\u{2028}", false),
            ("^.$", "é", true),
            ("^[^]$", "\n", true),
            ("[]", "a", false),
            ("^[a&&b]+$", "a&b", true),
            ("^[[a]$", "[", true),
            ("^[a~~b]+$", "~b", true),
            (r"^[\w-]+$", "a-b", true),
            (r"^[\w-.]+$", "a-.b", true),
            (r"^[a\-z]+$", "-", true),
            (r"^[a\-z]+$", "m", false),
            (r"^\/\.$", "/.", true),
            ("^a{,2}$", "a{,2}", true),
            ("^a{2}$", "aa", true),
            ("^a{2,}?$", "aaa", true),
            ("^x{$", "x{", true),
            ("^x}]$", "x}]", true),
            (r"^\u00e9\x41\cJ$", "éA\n", true),
            (r"^\uD83D\uDE00$", "😀", true),
            (r"^\u{1F600}$", "😀", true),
            ("^(?<year>[0-9]{4})-(?:x|y)$", "2024-x", true),
            (r"\bcat\b", "a cat.", true),
            (r"\bcat\b", "concat", false),
            (r"^[\b]$", "\u{8}", true),
            ("^a b#c$", "a b#c", true),
            ("", "anything", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text:?}");
        }
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        let mut said = String::new();
        for pattern in [
            "(?=a)",
            "(?!a)b",
            "(?<=a)b",
            "(?<!a)b",
            r"(a)\1",
            r"(?<x>a)\k<x>",
            r"\p{L}",
            r"\B",
            "a**",
            "*a",
            "[z-a]",
            "[a",
            "(a",
            "a)",
            "\\",
            r"\q",
            r"\uD83D",
            "(?i)a",
            "a{3,2}",
            "(((.{1,200}){1,200}){1,200})",
        ] {
            let error = Pattern::new(pattern).expect_err(pattern);
            let _ = writeln!(said, "{pattern}  {error}");
        }
        let deep = format!("{}{}", "(".repeat(1000), ")".repeat(1000));
        let _ = writeln!(said, "deep  {}", Pattern::new(&deep).expect_err("deep"));
        let _ = writeln!(said, "long  {}", Pattern::new(&"a".repeat(5000)).expect_err("long"));
        insta::assert_snapshot!(said, @r#"
        (?=a)  lookahead cannot be run in linear time
        (?!a)b  lookahead cannot be run in linear time
        (?<=a)b  lookbehind cannot be run in linear time
        (?<!a)b  lookbehind cannot be run in linear time
        (a)\1  a backreference cannot be run in linear time
        (?<x>a)\k<x>  a backreference cannot be run in linear time
        \p{L}  Unicode properties (`\p`) are not read here
        \B  `\B` is not read here
        a**  there is nothing for `*` to repeat
        *a  there is nothing for `*` to repeat
        [z-a]  a range of a class is empty
        [a  a class has no end
        (a  the expression cannot be read: unclosed group
        a)  the expression cannot be read: unopened group
        \  a backslash ends the expression
        \q  `\q` means nothing here
        \uD83D  half a pair of surrogates is no character
        (?i)a  `(?` must be followed by `:`, or by a name in `<` and `>`
        a{3,2}  the expression cannot be read: invalid repetition count range, the start must be <= the end
        (((.{1,200}){1,200}){1,200})  the expression is too large: compiled it has more than 1048576 bytes
        deep  the expression cannot be read: exceed the maximum number of nested parentheses/brackets (64)
        long  the expression is too large: more than 4096 bytes
        "#);
    }

    proptest! {
        /// Whatever is written is an expression or a sentence.
        #[test]
        fn any_text_is_a_pattern_or_an_error(text in r"[\\\[\](){}|^$*+?.,:<>=!&~a-fpuxdwsbBk0-9é -]{0,40}") {
            match Pattern::new(&text) {
                Ok(pattern) => { let _ = pattern.is_match("abc 123"); }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        /// A text that is escaped matches itself.
        #[test]
        fn an_escaped_text_matches_itself(text in r"[ -~]{1,20}") {
            let escaped: String = text.chars().map(|char| match char {
                char if char.is_ascii_alphanumeric() || " _".contains(char) => char.to_string(),
                char => format!("\\{char}"),
            }).collect();
            let is_match = matches(&format!("^{escaped}$"), &text);
            prop_assert!(is_match);
        }
    }
}
