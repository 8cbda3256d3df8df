//! A row filter's text as tokens, each with its place.

use crate::name::printable;

use super::parse::FilterError;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A word without quotes: a column, or one that means something.
    Word(String),
    /// `"a column"`.
    Quoted(String),
    /// `'text'`.
    Text(String),
    /// Digits, perhaps with a point, perhaps with a sign.
    Number(String),
    /// `= <> != < <= > >= ( ) , .`
    Sign(&'static str),
}

/// A token and where it begins: characters before it, from 1.
pub(super) type Placed = (usize, Token);

/// Longer signs first.
const SIGNS: [&str; 11] = ["<>", "!=", "<=", ">=", "=", "<", ">", "(", ")", ",", "."];

/// Cuts `text` into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, FilterError> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&char) = chars.get(at) {
        let place = at + 1;
        if matches!(char, ' ' | '\t' | '\n' | '\r') {
            at += 1;
        } else if char == '\'' || char == '"' {
            let (content, next) = quoted(&chars, at)?;
            let token = if char == '"' { Token::Quoted(content) } else { Token::Text(content) };
            tokens.push((place, token));
            at = next;
        } else if char.is_ascii_alphabetic() || char == '_' {
            let is_part = |char: &char| char.is_ascii_alphanumeric() || *char == '_';
            let word: String = chars[at..].iter().take_while(|char| is_part(char)).collect();
            at += word.len();
            tokens.push((place, Token::Word(word)));
        } else if char.is_ascii_digit() || char == '-' {
            let sign = usize::from(char == '-');
            let is_part = |char: &char| char.is_ascii_digit() || *char == '.';
            let digits: String =
                chars[at + sign..].iter().take_while(|char| is_part(char)).collect();
            if digits.is_empty() {
                let hint = "there is no arithmetic in a row filter";
                return Err(FilterError::at(place, "`-` stands before no number", hint));
            }
            at += sign + digits.len();
            let sign = if sign == 1 { "-" } else { "" };
            tokens.push((place, Token::Number(format!("{sign}{digits}"))));
        } else {
            let sign = SIGNS.into_iter().find(|sign| {
                sign.chars().enumerate().all(|(i, char)| chars.get(at + i) == Some(&char))
            });
            let Some(sign) = sign else {
                let message = format!("`{}` means nothing here", printable(&char.to_string()));
                let hint = "use comparisons, `in`, `is null`, `like`, `and`, `or`, `not`; names \
                            with other characters in double quotes";
                return Err(FilterError::at(place, message, hint));
            };
            at += sign.len();
            tokens.push((place, Token::Sign(if sign == "!=" { "<>" } else { sign })));
        }
    }
    Ok(tokens)
}

/// What stands between quotes, a doubled one being one, and where it goes on.
fn quoted(chars: &[char], from: usize) -> Result<(String, usize), FilterError> {
    let quote = chars[from];
    let mut content = String::new();
    let mut at = from + 1;
    loop {
        match (chars.get(at), chars.get(at + 1)) {
            (Some(char), Some(next)) if *char == quote && *next == quote => {
                content.push(quote);
                at += 2;
            }
            (Some(char), _) if *char == quote => return Ok((content, at + 1)),
            (Some(char), _) => {
                content.push(*char);
                at += 1;
            }
            (None, _) => {
                let hint = "a quote within is written twice";
                return Err(FilterError::at(from + 1, "this quote is never closed", hint));
            }
        }
    }
}
