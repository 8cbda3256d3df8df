//! Numbers as text whose value is a double or a single.

use super::{Form, form, long, normalised};

/// The double that a text names without loss: printing it with as many digits gives the number
/// back. So it is for every text of at most 15 significant digits, and for what programs print of a
/// double, the shortest way or with 17 digits. Whole numbers beyond 64 bits are none: they are names
/// of something, more often than quantities.
#[inline]
pub(crate) fn double(text: &[u8]) -> Option<f64> {
    let form = form(text)?;
    double_of_form(text, form)
}

#[inline]
pub(crate) fn double_of_form(text: &[u8], form: Form) -> Option<f64> {
    if form.fraction.is_none() && !form.exponent && form.whole > 18 && long(text).is_none() {
        return None;
    }
    let value: f64 = fast_float2::parse(text).ok()?;
    let plain = form.significant <= 15 && value.is_normal();
    let exact = plain || (form.zero && value == 0.0) || prints_as(text, form, value);
    (exact && value.is_finite()).then_some(value)
}

/// Whether `value`, printed with as many digits as `text` has, or with as few as tell it from others,
/// is `text`. Those differ where the value lies halfway between two texts.
#[cold]
fn prints_as(text: &[u8], form: Form, value: f64) -> bool {
    if !value.is_finite() || value == 0.0 || form.significant > 17 {
        return false;
    }
    let printed = [format!("{value:.*e}", form.significant as usize - 1), format!("{value:e}")];
    let ours = parts(text);
    ours.is_some() && printed.iter().any(|printed| parts(printed.as_bytes()) == ours)
}

/// Digits without zeros at the ends, and the power of ten of the first.
pub(super) fn parts(text: &[u8]) -> Option<(Vec<u8>, i64)> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let end = text.iter().position(|byte| matches!(byte, b'e' | b'E')).unwrap_or(text.len());
    let exponent = match &text[end..] {
        [] => 0,
        [_, exponent @ ..] => {
            let exponent = std::str::from_utf8(exponent).ok()?;
            exponent.strip_prefix('+').unwrap_or(exponent).parse::<i64>().ok()?
        }
    };
    let whole = text[..end].iter().position(|byte| *byte == b'.').unwrap_or(end);
    let digits: Vec<u8> = text[..end].iter().copied().filter(u8::is_ascii_digit).collect();
    let first = digits.iter().position(|digit| *digit != b'0')?;
    let last = digits.iter().rposition(|digit| *digit != b'0')?;
    let power = i64::try_from(whole).ok()? - i64::try_from(first).ok()? + exponent;
    Some((digits[first..=last].to_vec(), power))
}

/// A number for a column of doubles: the nearest one for texts with a point or an exponent; whole
/// numbers only if they are exact.
pub(crate) fn double_nearest(text: &[u8]) -> Option<f64> {
    let form = form(text)?;
    if form.fraction.is_none() && !form.exponent {
        return double_of_form(text, form);
    }
    let value: f64 = fast_float2::parse(text).ok()?;
    value.is_finite().then_some(value)
}

/// The same for singles.
pub(crate) fn float_nearest(text: &[u8]) -> Option<f32> {
    let form = form(text)?;
    let value: f32 = fast_float2::parse(text).ok()?;
    let whole = form.fraction.is_none() && !form.exponent;
    let exact =
        !whole || double_of_form(text, form).is_some_and(|double| double == f64::from(value));
    (value.is_finite() && exact).then_some(value)
}

/// A number, written any way: the nearest double; `NaN` and infinities too.
pub(crate) fn double_lenient(text: &[u8]) -> Option<f64> {
    let text = normalised(text);
    non_finite(&text).or_else(|| {
        form(&text)?;
        fast_float2::parse(&text).ok().filter(|value: &f64| value.is_finite())
    })
}

/// The same for singles.
pub(crate) fn float_lenient(text: &[u8]) -> Option<f32> {
    let text = normalised(text);
    let non_finite = non_finite(&text).map(|value| value as f32);
    non_finite.or_else(|| {
        form(&text)?;
        fast_float2::parse(&text).ok().filter(|value: &f32| value.is_finite())
    })
}

/// `NaN`, `inf`, `Infinity`, in any case, with a sign or none.
pub(crate) fn non_finite(text: &[u8]) -> Option<f64> {
    let (sign, rest) = match text {
        [b'-', rest @ ..] => (-1.0, rest),
        [b'+', rest @ ..] => (1.0, rest),
        _ => (1.0, text),
    };
    match rest.to_ascii_lowercase().as_slice() {
        b"nan" if rest.len() == text.len() => Some(f64::NAN),
        b"inf" | b"infinity" => Some(sign * f64::INFINITY),
        _ => None,
    }
}
