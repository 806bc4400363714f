//! Numbers, times and tables for people.

use std::time::Duration;

/// A duration such as `90s`, `30m`, `24h` or `7d`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration: write a number and its unit, as in 90s, 30m, 24h or 7d");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        "" if number == "0" => 1,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(seconds).map(Duration::from_secs).ok_or_else(wrong)
}

/// A size such as `1000`, `64MB` or `256MiB`.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is not a size: write a number of bytes, or one with a unit, as in 64MB or 256MiB");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let bytes = match unit {
        "" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(bytes).ok_or_else(wrong)
}

/// An age as `3 days`: the largest unit that fits, rounded down.
pub fn age(age: Duration) -> String {
    let units = [("day", 86400), ("hour", 3600), ("minute", 60)];
    let seconds = age.as_secs();
    let fits = units.into_iter().find(|(_, unit)| seconds >= *unit);
    // `day` ends in a y that does not become ies.
    match fits {
        Some(("day", unit)) if seconds / unit > 1 => format!("{} days", seconds / unit),
        Some((name, unit)) => plural(seconds / unit, name),
        None => plural(seconds, "second"),
    }
}

/// A time since the Unix epoch as `2026-01-31T12:00:00Z`.
pub fn time(unix: Duration) -> String {
    let (days, seconds) = (unix.as_secs() / 86400, unix.as_secs() % 86400);
    // Days to a date as in Howard Hinnant's "chrono-compatible low-level date algorithms"; years begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A size as `6696 bytes` or `12.3 MB (12300000 bytes)`.
pub fn bytes(bytes: u64) -> String {
    let (size, unit) = match bytes {
        0..10_000 => return plural(bytes, "byte"),
        10_000..1_000_000 => (1e3, "kB"),
        1_000_000..1_000_000_000 => (1e6, "MB"),
        1_000_000_000..1_000_000_000_000 => (1e9, "GB"),
        _ => (1e12, "TB"),
    };
    format!("{:.1} {unit} ({bytes} bytes)", bytes as f64 / size)
}

/// `1 row`, `2 rows`, `2 entries`.
pub fn plural(number: u64, what: &str) -> String {
    match what.strip_suffix('y') {
        _ if number == 1 => format!("1 {what}"),
        Some(stem) => format!("{number} {stem}ies"),
        None if what.ends_with("ch") => format!("{number} {what}es"),
        None => format!("{number} {what}s"),
    }
}

/// Lines of columns, the first aligned to the left and the others to the right.
pub fn table(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let cell = |(column, cell): (usize, &String)| {
        let width = widths[column];
        if column == 0 { format!("{cell:<width$}") } else { format!("  {cell:>width$}") }
    };
    rows.iter().map(|row| row.iter().enumerate().map(cell).collect::<String>().trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(parse_duration("24h"), Ok(Duration::from_secs(86400)));
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        for bad in ["", "h", "24", "24x", "-1h", "1.5h", "99999999999999999999d", "18446744073709551615d", "é"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_dates() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_767_225_600, "2026-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(time(Duration::from_secs(unix)), text);
        }
    }

    #[test]
    fn sizes_may_have_units() {
        assert_eq!(parse_size("1000"), Ok(1000));
        assert_eq!((parse_size("64MB"), parse_size("256MiB")), (Ok(64_000_000), Ok(256 << 20)));
        for bad in ["", "MB", "1.5MB", "-1", "1 MB", "1mb", "99999999999999999999", "99999999999GiB"] {
            assert!(parse_size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ages_are_rounded_down() {
        for (seconds, text) in
            [(0, "0 seconds"), (1, "1 second"), (119, "1 minute"), (7200, "2 hours"), (86400, "1 day"), (180_000, "2 days")]
        {
            assert_eq!(age(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn sizes_and_counts_read_well() {
        assert_eq!(bytes(1), "1 byte");
        assert_eq!(bytes(6696), "6696 bytes");
        assert_eq!(bytes(12_345), "12.3 kB (12345 bytes)");
        assert_eq!(bytes(7_000_000), "7.0 MB (7000000 bytes)");
        assert_eq!(
            (plural(2, "entry"), plural(1, "entry"), plural(0, "row"), plural(3, "batch")),
            ("2 entries".into(), "1 entry".into(), "0 rows".into(), "3 batches".into())
        );
    }
}
