//! Versions of contracts, as far as their three numbers say what changed.

/// Major, minor and patch of `1.2.3`, also with a leading `v`, a pre-release or a build behind it.
pub(crate) fn parse(version: &str) -> Option<(u64, u64, u64)> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let core = version.split(['-', '+']).next()?;
    let mut parts = core.split('.').map(|part| {
        let is_plain = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| is_plain)
    });
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
    parts.next().is_none().then_some((major, minor, patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_numbers_are_a_version() {
        assert_eq!(parse("1.2.3"), Some((1, 2, 3)));
        assert_eq!(parse("v0.1.0-rc.1+build"), Some((0, 1, 0)));
        for bad in ["1", "1.2", "1.2.3.4", "a.b.c", "", "1..2", "+1.2.3", "1.2.x"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
