//! Addresses as they may be shown: without what opens something.

use std::fmt::Display;

/// An address without its password and without its parameters, which may hold one too.
///
/// `postgres://me:…@db.example/lake?…`. Anything else comes back as it is.
pub(super) fn without_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let (rest, parameters) = match rest.split_once('?') {
        Some((rest, _)) => (rest, "?…"),
        None => (rest, ""),
    };
    // A password may hold anything, a slash too: the last `@` ends it.
    let rest = match rest.rsplit_once('@') {
        Some((user, place)) => match user.split_once(':') {
            Some((name, _)) => format!("{name}:…@{place}"),
            None => format!("{user}@{place}"),
        },
        None => rest.to_owned(),
    };
    format!("{scheme}://{rest}{parameters}")
}

/// The same for anything that prints as an address.
pub(super) fn without_password_in(address: &impl Display) -> String {
    without_password(&address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_opens_something_is_left_out() {
        let cases = [
            ("./lake", "./lake"),
            ("sqlite:///a/b.db", "sqlite:///a/b.db"),
            ("sqlite:///a/b.db?mode=ro", "sqlite:///a/b.db?…"),
            ("postgres://me@db/lake", "postgres://me@db/lake"),
            ("postgres://me:p@db/lake", "postgres://me:…@db/lake"),
            ("postgres://me:p/q@r@db/lake?sslpassword=p", "postgres://me:…@db/lake?…"),
            ("http://:p@host", "http://:…@host"),
        ];
        for (text, shown) in cases {
            assert_eq!(without_password(text), shown);
        }
    }
}
