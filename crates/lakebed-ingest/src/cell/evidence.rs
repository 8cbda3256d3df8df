//! What the cells of a column say about its type, all of them together.
//!
//! Evidence of parts adds up to evidence of the whole in any order ([`Evidence::merge`] is
//! associative and commutative), so that a type depends on the cells and on nothing else. The type
//! is the narrowest that holds every cell without loss:
//!
//! | cells | type |
//! |---|---|
//! | `true`, `false` | boolean |
//! | whole numbers of 64 bits | long |
//! | numbers that all have the same count of digits after the point, at most 18 in all | decimal(18, s) |
//! | other numbers, each told apart by a double | double |
//! | `YYYY-MM-DD` | date |
//! | date and time, none with a zone, or all with one | timestamp, timestamptz |
//! | anything else, or a mixture | string |
//!
//! A quoted field without text, or with a null token, is a text in a string column and no value in
//! any other: it is evidence of a string only where nothing else is known.

use lakebed_core::DataType;

use super::{
    boolean, civil, number,
    oddity::{Oddity, oddity},
};

/// Digits of the decimals that are inferred.
pub(crate) const INFERRED_PRECISION: u8 = 18;

const BOOLEAN: u16 = 1;
const LONG: u16 = 1 << 1;
const FIXED: u16 = 1 << 2;
const DOUBLE: u16 = 1 << 3;
const DATE: u16 = 1 << 4;
const TIMESTAMP: u16 = 1 << 5;
const TIMESTAMPTZ: u16 = 1 << 6;
const TEXT: u16 = 1 << 7;
/// Quoted, and empty or a null token.
const SILENT: u16 = 1 << 8;
/// A number that a double does not tell apart from others.
const INEXACT: u16 = 1 << 9;
/// Decimals of more than one scale, or too long for [`INFERRED_PRECISION`].
const UNFIXED: u16 = 1 << 10;

const NUMBER: u16 = LONG | FIXED | DOUBLE;
const FAMILIES: [u16; 6] = [BOOLEAN, NUMBER, DATE, TIMESTAMP, TIMESTAMPTZ, TEXT];

/// What cells seen so far say; the default has seen none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Evidence {
    seen: Seen,
    /// The same without odd cells: what the type would be if an option took them in.
    plain: Seen,
    /// Bits of [`Oddity`].
    odd: u32,
    /// A stamp with a zone other than UTC.
    zoned: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seen {
    kinds: u16,
    /// The scale of decimals, where `FIXED` is set.
    scale: u8,
}

/// What evidence amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No value was seen, or only quoted nothings: a string, until a value says more.
    Unknown,
    /// Cells that are no value of another type were seen: a string whatever follows.
    Text,
    /// Every cell seen is a value of this type, exactly.
    Typed(DataType),
}

impl Verdict {
    /// The column's type if no more cells follow.
    pub(crate) fn data_type(&self) -> DataType {
        match self {
            Self::Unknown | Self::Text => DataType::String,
            Self::Typed(data_type) => data_type.clone(),
        }
    }
}

impl Seen {
    const fn of(kinds: u16) -> Self {
        Self { kinds, scale: 0 }
    }

    #[inline]
    fn merge(&mut self, other: Self) {
        let both = self.kinds & other.kinds & FIXED != 0;
        if both && self.scale != other.scale {
            self.kinds |= UNFIXED;
        }
        // The greater one, so that the order of merging leaves no trace.
        self.scale = self.scale.max(other.scale);
        self.kinds |= other.kinds;
    }

    fn verdict(self) -> Verdict {
        let families = FAMILIES.iter().filter(|family| self.kinds & **family != 0).count();
        if families == 0 {
            return Verdict::Unknown;
        }
        if families > 1 || self.kinds & TEXT != 0 {
            return Verdict::Text;
        }
        Verdict::Typed(match self.kinds & !(SILENT | INEXACT | UNFIXED) {
            BOOLEAN => DataType::Boolean,
            DATE => DataType::Date,
            TIMESTAMP => DataType::Timestamp,
            TIMESTAMPTZ => DataType::Timestamptz,
            LONG => DataType::Long,
            FIXED if self.kinds & UNFIXED == 0 => {
                DataType::Decimal { precision: INFERRED_PRECISION, scale: self.scale }
            }
            _ if self.kinds & INEXACT == 0 => DataType::Double,
            _ => return Verdict::Text,
        })
    }
}

impl Evidence {
    /// Takes in a field that is quoted and empty or a null token.
    #[inline]
    pub(crate) fn add_silent(&mut self) {
        self.seen.kinds |= SILENT;
        self.plain.kinds |= SILENT;
    }

    /// Takes in a cell with a value.
    #[inline]
    pub(crate) fn add(&mut self, text: &[u8]) {
        if self.is_settled() {
            return;
        }
        let (seen, zoned) = look_at(text);
        self.zoned |= zoned;
        if seen.kinds & (TEXT | INEXACT) != 0
            && let Some(oddity) = oddity(text)
        {
            self.odd |= oddity.bit();
        } else {
            self.plain.merge(seen);
        }
        self.seen.merge(seen);
    }

    /// Takes in what other cells said.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.seen.merge(other.seen);
        self.plain.merge(other.plain);
        self.odd |= other.odd;
        self.zoned |= other.zoned;
    }

    /// Whether it is text, with or without its odd cells; nothing can change that.
    #[inline]
    pub(crate) const fn is_settled(&self) -> bool {
        self.seen.kinds & self.plain.kinds & TEXT != 0
    }

    pub(crate) fn verdict(&self) -> Verdict {
        self.seen.verdict()
    }

    /// What it would be without odd cells.
    pub(crate) fn plain_verdict(&self) -> Verdict {
        self.plain.verdict()
    }

    pub(crate) const fn has(&self, oddity: Oddity) -> bool {
        self.odd & oddity.bit() != 0
    }

    /// Whether a zone other than UTC was seen, which a timestamptz does not keep.
    pub(crate) const fn has_zones(&self) -> bool {
        self.zoned
    }
}

/// What one text is, and whether it names a zone other than UTC.
#[inline]
fn look_at(text: &[u8]) -> (Seen, bool) {
    match text.first() {
        Some(b'0'..=b'9' | b'-' | b'.') => {}
        _ if boolean(text).is_some() => return (Seen::of(BOOLEAN), false),
        _ => return (Seen::of(TEXT), false),
    }
    if let Some(form) = number::form(text) {
        return (look_at_number(text, form), false);
    }
    if civil::date(text).is_some() {
        return (Seen::of(DATE), false);
    }
    match civil::stamp(text) {
        None => (Seen::of(TEXT), false),
        Some(stamp) => match stamp.ahead {
            None => (Seen::of(TIMESTAMP), false),
            Some(ahead) => (Seen::of(TIMESTAMPTZ), ahead != 0),
        },
    }
}

#[inline]
fn look_at_number(text: &[u8], form: number::Form) -> Seen {
    let exact = form.significant <= 15 && form.whole <= 15 && !form.exponent;
    let inexact = match exact || number::double_of_form(text, form).is_some() {
        true => 0,
        false => INEXACT,
    };
    let negative_zero = form.negative && form.zero;
    match form.fraction {
        _ if form.exponent || negative_zero => Seen::of(DOUBLE | inexact),
        None if number::long(text).is_some() => Seen::of(LONG | inexact),
        None => Seen::of(DOUBLE | inexact),
        Some(0) => Seen::of(DOUBLE | inexact),
        Some(scale) => {
            let fits = form.whole + scale <= u32::from(INFERRED_PRECISION);
            let scale = if fits { scale as u8 } else { 0 };
            let unfixed = if fits { 0 } else { UNFIXED };
            Seen { kinds: FIXED | inexact | unfixed, scale }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn evidence(cells: &[&str]) -> Evidence {
        let mut evidence = Evidence::default();
        for cell in cells {
            evidence.add(cell.as_bytes());
        }
        evidence
    }

    fn infer(cells: &[&str]) -> String {
        evidence(cells).verdict().data_type().to_string()
    }

    #[test]
    fn types_are_the_narrowest_that_lose_nothing() {
        assert_eq!(infer(&["1", "-2"]), "long");
        assert_eq!(infer(&["1.50", "-2.25"]), "decimal(18,2)");
        assert_eq!(infer(&["1.5", "-2.25"]), "double");
        assert_eq!(infer(&["1", "2.25", "1e5"]), "double");
        assert_eq!(infer(&["true", "FALSE"]), "boolean");
        assert_eq!(infer(&["2024-02-29"]), "date");
        assert_eq!(infer(&["2024-02-29 10:00:00", "2024-02-29T10:00"]), "timestamp");
        assert_eq!(infer(&["2024-02-29 10:00:00Z", "2024-02-29T10:00+02:00"]), "timestamptz");
        assert_eq!(infer(&[]), "string");
    }

    #[test]
    fn what_would_lose_something_is_text() {
        for cells in [
            &["00501"][..],
            &["+44"],
            &["9223372036854775808", "1"],
            &["1,234.50"],
            &["NA", "1"],
            &["2024-02-30"],
            &["2024-02-29", "2024-02-29 10:00"],
            &["1", "true"],
            &[" 1"],
            &["nan"],
            &["9007199254740993", "0.5"],
            &["0.1234567890123456789"],
            &["31/12/2024"],
            &["1e400"],
            &["2024-02-29 10:00", "2024-02-29 10:00Z"],
            &["2024-01-01 00:00:00.0000001"],
        ] {
            assert_eq!(infer(cells), "string", "{cells:?}");
        }
    }

    #[test]
    fn negative_zero_keeps_its_sign() {
        assert_eq!(infer(&["-0", "1"]), "double");
        assert_eq!(infer(&["-0.00", "1.00"]), "double");
    }

    #[test]
    fn odd_cells_are_counted_apart() {
        let evidence = evidence(&["1", "NA", "2"]);
        assert_eq!(evidence.verdict(), Verdict::Text);
        assert_eq!(evidence.plain_verdict(), Verdict::Typed(DataType::Long));
        assert!(evidence.has(Oddity::NullLike(0)));
    }

    #[test]
    fn quoted_nothings_say_string_only_alone() {
        let mut evidence = Evidence::default();
        evidence.add_silent();
        assert_eq!(evidence.verdict(), Verdict::Unknown);
        evidence.add(b"5");
        assert_eq!(evidence.verdict(), Verdict::Typed(DataType::Long));
    }

    fn cells() -> impl Strategy<Value = Vec<String>> {
        let cell = prop_oneof![
            Just("1"),
            Just("2.5"),
            Just("2.50"),
            Just("-0"),
            Just("1e3"),
            Just("true"),
            Just("x"),
            Just("2024-01-01"),
            Just("NA"),
            Just("12345678901234567"),
            Just("0.1234567890123456789"),
        ];
        prop::collection::vec(cell.prop_map(str::to_owned), 0..6)
    }

    proptest! {
        /// However cells are grouped and ordered, the verdict is the same.
        #[test]
        fn parts_add_up(cells in cells(), split in 0_usize..6) {
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            let (left, right) = cells.split_at(split.min(cells.len()));
            let mut merged = evidence(right);
            merged.merge(&evidence(left));
            prop_assert_eq!(merged.verdict(), evidence(&cells).verdict());
            let doubled = { let mut twice = merged; twice.merge(&merged); twice };
            prop_assert_eq!(doubled.verdict(), merged.verdict());
        }
    }
}
