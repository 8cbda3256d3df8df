//! Finding the name someone may have meant.

use datafusion::common::utils::datafusion_strsim::levenshtein;

/// The candidate nearest to `given`, if any is near enough to be a slip.
pub(crate) fn nearest<'a>(
    given: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let given = given.to_lowercase();
    let allowed = (given.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (levenshtein(&given, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let names = ["array_length", "length", "lower"];
        assert_eq!(nearest("lenght", names), Some("length"));
        assert_eq!(nearest("LOWR", names), Some("lower"));
        assert_eq!(nearest("quantile", names), None);
    }
}
