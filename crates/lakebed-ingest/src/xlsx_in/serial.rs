//! Days and times that a sheet stores as numbers (ECMA-376 Part 1, 18.17.4 and 18.8.30).

/// What a number format shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shows {
    pub(super) date: bool,
    pub(super) time: bool,
    /// `[h]:mm`: a length of time, not one of the clock.
    pub(super) elapsed: bool,
}

impl Shows {
    const DATE: Self = Self { date: true, time: false, elapsed: false };
    const TIME: Self = Self { date: false, time: true, elapsed: false };

    /// Whether numbers in such a format are days or times.
    pub(super) const fn is_moment(self) -> bool {
        (self.date || self.time) && !self.elapsed
    }

    /// The formats that need no code.
    pub(super) const fn of_number(id: u32) -> Self {
        match id {
            14..=17 | 27..=31 | 34..=36 | 50..=58 => Self::DATE,
            18..=21 | 32..=33 | 45 | 47 => Self::TIME,
            22 => Self { date: true, time: true, elapsed: false },
            46 => Self { date: false, time: true, elapsed: true },
            _ => Self { date: false, time: false, elapsed: false },
        }
    }

    /// What a format code shows, by its first section: letters outside quotes, brackets and escapes.
    pub(super) fn of_code(code: &str) -> Self {
        if code.to_ascii_lowercase().starts_with("general") {
            return Self::default();
        }
        let (mut shows, mut has_m) = (Self::default(), false);
        let mut characters = code.chars();
        while let Some(character) = characters.next() {
            match character.to_ascii_lowercase() {
                ';' => break,
                '"' => drop(characters.by_ref().find(|other| *other == '"')),
                '\\' | '_' | '*' => drop(characters.next()),
                '[' => {
                    let inner: String = characters.by_ref().take_while(|c| *c != ']').collect();
                    let inner = inner.to_ascii_lowercase();
                    let is_elapsed = ["h", "m", "s"].iter().any(|unit| {
                        !inner.is_empty() && inner.chars().all(|c| unit.starts_with(c))
                    });
                    shows.elapsed |= is_elapsed;
                    shows.time |= is_elapsed;
                }
                'a' => {
                    // AM/PM, A/P
                    let rest = characters.as_str().to_ascii_lowercase();
                    let skip = if rest.starts_with("m/pm") {
                        4
                    } else {
                        2 * usize::from(rest.starts_with("/p"))
                    };
                    shows.time |= skip > 0;
                    characters = characters.as_str()[skip..].chars();
                }
                'y' | 'd' => shows.date = true,
                'h' | 's' => shows.time = true,
                'm' => has_m = true,
                _ => {}
            }
        }
        shows.date |= has_m && !shows.time;
        shows
    }
}

const DAY_MS: i64 = 86_400_000;
/// 9999-12-31, in days since 1970-01-01.
const LAST_DAY: i64 = 2_932_896;

/// A number as the day or time that it is, as ISO 8601 writes it; none if it is none. Times are
/// rounded to the millisecond, as Excel does.
pub(super) fn moment(serial: f64, shows: Shows, since_1904: bool) -> Option<String> {
    if !shows.is_moment() || !(0.0..3_000_000.0).contains(&serial) {
        return None;
    }
    let all = (serial * DAY_MS as f64).round() as i64;
    let (days, rest) = (all / DAY_MS, all % DAY_MS);
    if !shows.date && days == 0 {
        return Some(time(rest));
    }
    let day = date(days, since_1904)?;
    match shows.date && !shows.time && rest == 0 {
        true => Some(day),
        false => Some(format!("{day} {}", time(rest))),
    }
}

fn time(rest: i64) -> String {
    let (seconds, ms) = (rest / 1000, rest % 1000);
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match ms {
        0 => format!("{h:02}:{m:02}:{s:02}"),
        ms => format!("{h:02}:{m:02}:{s:02}.{ms:03}"),
    }
}

/// The day of that number. Excel believes in a 29th of February 1900, which is day 60.
fn date(days: i64, since_1904: bool) -> Option<String> {
    let unix = match (since_1904, days) {
        (true, days) => days - 24_107,
        (false, 0 | 60) => return None,
        (false, 1..60) => days - 25_568,
        (false, _) => days - 25_569,
    };
    (unix <= LAST_DAY).then(|| {
        let (year, month, day) = civil(unix);
        format!("{year:04}-{month:02}-{day:02}")
    })
}

/// Year, month and day of a day since 1970-01-01, after Howard Hinnant; years above 0.
const fn civil(unix: i64) -> (i64, i64, i64) {
    let days = unix + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(serial: f64, code: &str, since_1904: bool) -> Option<String> {
        moment(serial, Shows::of_code(code), since_1904)
    }

    #[test]
    fn codes_tell_days_from_numbers() {
        for (code, date, time) in [
            ("yyyy-mm-dd", true, false),
            ("d/m/yy h:mm", true, true),
            ("[$-409]d-mmm-yyyy;@", true, false),
            ("mmm", true, false),
            ("mm:ss.0", false, true),
            ("h:mm AM/PM", false, true),
            ("h \"o'clock\"", false, true),
            ("General", false, false),
            ("#,##0.00 \"days\"", false, false),
            ("0.00E+00", false, false),
            ("0\\d", false, false),
            ("[Red]0;[Blue]-0", false, false),
            ("_-* #,##0_-;dd", false, false),
        ] {
            let shows = Shows::of_code(code);
            assert_eq!((shows.date, shows.time, shows.elapsed), (date, time, false), "{code}");
        }
        assert!(Shows::of_code("[hh]:mm:ss").elapsed && !Shows::of_code("[h]:mm").is_moment());
        assert!(Shows::of_number(14).is_moment() && !Shows::of_number(46).is_moment());
        assert!(!Shows::of_number(4).is_moment());
    }

    #[test]
    fn numbers_are_days_of_either_system() {
        let date = |serial, since_1904| told(serial, "yyyy-mm-dd", since_1904);
        assert_eq!(date(1.0, false).as_deref(), Some("1900-01-01"));
        assert_eq!(date(59.0, false).as_deref(), Some("1900-02-28"));
        assert_eq!(date(60.0, false), None);
        assert_eq!(date(61.0, false).as_deref(), Some("1900-03-01"));
        assert_eq!(date(45_351.0, false).as_deref(), Some("2024-02-29"));
        assert_eq!(date(2_958_465.0, false).as_deref(), Some("9999-12-31"));
        assert_eq!(date(2_958_466.0, false), None);
        assert_eq!(date(-1.0, false), None);
        assert_eq!(date(0.0, true).as_deref(), Some("1904-01-01"));
        assert_eq!(date(43_889.0, true).as_deref(), Some("2024-02-29"));
        let at = |serial| told(serial, "yyyy-mm-dd hh:mm", false);
        assert_eq!(at(45_351.5).as_deref(), Some("2024-02-29 12:00:00"));
        assert_eq!(at(45_351.999_999_999).as_deref(), Some("2024-03-01 00:00:00"));
        assert_eq!(at(45_292.416_666_666_664).as_deref(), Some("2024-01-01 10:00:00"));
        assert_eq!(date(45_351.25, false).as_deref(), Some("2024-02-29 06:00:00"));
        assert_eq!(told(0.75, "h:mm", false).as_deref(), Some("18:00:00"));
        assert_eq!(told(0.000_000_012, "h:mm:ss.000", false).as_deref(), Some("00:00:00.001"));
        assert_eq!(told(1.5, "[h]:mm", false), None);
    }
}
