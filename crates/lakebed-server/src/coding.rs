//! Which content coding the client likes best: RFC 9110, section 12.5.3.

use http::{HeaderMap, header};

use crate::accept::parse_weight;

/// How the bytes of an answer are written down once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As they are.
    Identity,
    /// RFC 8878.
    Zstd,
    /// RFC 1952.
    Gzip,
}

impl Coding {
    /// What `content-encoding` says; nothing where there is none.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Zstd => Some("zstd"),
            Self::Gzip => Some("gzip"),
        }
    }

    /// The coding that `Accept-Encoding` weighs most; of equal weights the smaller result wins.
    /// Without the header, or when it names nothing that is offered, bytes stay as they are.
    ///
    /// None when that is refused too.
    pub(crate) fn preferred(headers: &HeaderMap) -> Option<Self> {
        let listed = listed(headers);
        let mut best = None;
        for coding in [Self::Zstd, Self::Gzip, Self::Identity] {
            let weight = coding.weight(&listed);
            if weight > best.map_or(0, |(_, weight)| weight) {
                best = Some((coding, weight));
            }
        }
        best.map(|(coding, _)| coding)
    }

    /// The same for bytes that no coding makes smaller: they stay as they are wherever they may.
    pub(crate) fn of_compressed(headers: &HeaderMap) -> Option<Self> {
        match Self::Identity.weight(&listed(headers)) {
            0 => Self::preferred(headers),
            _ => Some(Self::Identity),
        }
    }

    fn is(self, name: &str) -> bool {
        match self {
            Self::Identity => name == "identity",
            Self::Zstd => name == "zstd",
            Self::Gzip => name == "gzip" || name == "x-gzip",
        }
    }

    /// Thousandths. Whatever is not refused may stay as it is, but everything listed is preferred.
    fn weight(self, listed: &[(String, u16)]) -> u16 {
        let of = |is: &dyn Fn(&str) -> bool| {
            listed.iter().filter(|(name, _)| is(name)).map(|(_, weight)| *weight).max()
        };
        let unsaid = u16::from(self == Self::Identity);
        of(&|name| self.is(name)).or_else(|| of(&|name| name == "*")).unwrap_or(unsaid)
    }
}

/// Codings that cannot be read are left out, as if they had not been sent.
fn listed(headers: &HeaderMap) -> Vec<(String, u16)> {
    let lines = headers.get_all(header::ACCEPT_ENCODING).iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(parse).collect()
}

fn parse(text: &str) -> Option<(String, u16)> {
    let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
    let weight = match parameters.split_once('=') {
        None if parameters.trim().is_empty() => 1000,
        Some((q, weight)) if q.trim().eq_ignore_ascii_case("q") => parse_weight(weight.trim())?,
        _ => return None,
    };
    let name = name.trim().to_ascii_lowercase();
    (!name.is_empty()).then_some((name, weight))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        let lines = lines.iter().map(|line| HeaderValue::from_static(line));
        lines.map(|line| (header::ACCEPT_ENCODING, line)).collect()
    }

    #[test]
    fn the_heaviest_coding_wins() {
        let preferred = |line: &'static str| Coding::preferred(&headers(&[line]));
        for line in ["zstd", "gzip, zstd", "gzip;q=0.5, zstd;q=0.6", "*", "ZSTD", "br, zstd;q=0.1"]
        {
            assert_eq!(preferred(line), Some(Coding::Zstd), "{line}");
        }
        for line in [
            "gzip",
            "x-gzip",
            "gzip, deflate, br",
            "gzip;q=1, zstd;q=0.9",
            "*, zstd;q=0",
            "gzip; Q = 0.001",
            "gzip, *;q=0",
            "identity;q=0.5, gzip",
            "identity;q=0, gzip;q=0.1",
        ] {
            assert_eq!(preferred(line), Some(Coding::Gzip), "{line}");
        }
        for line in [
            "",
            "identity",
            "br",
            "gzip;q=0",
            "identity, gzip;q=0.5",
            "identity, *;q=0",
            "gzip;q=0, zstd;q=0.000",
            "gzip;q=2",
            "gzip;level=9",
            ";q=1,,;",
        ] {
            assert_eq!(preferred(line), Some(Coding::Identity), "{line}");
        }
        for line in ["identity;q=0", "*;q=0", "br, *;q=0", "br, identity;q=0"] {
            assert_eq!(preferred(line), None, "{line}");
        }
        assert_eq!(Coding::preferred(&headers(&[])), Some(Coding::Identity));
        assert_eq!(Coding::preferred(&headers(&["br", "gzip"])), Some(Coding::Gzip));
    }

    #[test]
    fn what_is_compressed_stays_as_it_is_unless_that_is_refused() {
        let of = |line: &'static str| Coding::of_compressed(&headers(&[line]));
        assert_eq!(of("zstd, gzip"), Some(Coding::Identity));
        assert_eq!(of("zstd, identity;q=0"), Some(Coding::Zstd));
        assert_eq!(of("identity;q=0"), None);
    }
}
