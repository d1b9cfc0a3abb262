//! Places on earth.

/// One number of degrees up to 180, or two of which one is a latitude, up to 90.
pub(super) fn coordinates(value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let mut numbers = text
        .split([',', ';', ' '])
        .filter(|part| !part.is_empty())
        .map(|part| part.parse::<f64>().map_or(f64::INFINITY, f64::abs));
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(one), None, _) => one <= 180.0,
        (Some(one), Some(other), None) => one.max(other) <= 180.0 && one.min(other) <= 90.0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::coordinates;

    /// Scenario: pairs and single numbers in range and out of it. Guarantee: degrees pass, other numbers don't.
    #[test]
    fn degrees_are_in_range() {
        for yes in ["40.41678,-3.70379", "-122.41942 37.77493", "179.999", "+12.5;13.5"] {
            assert!(coordinates(yes.as_bytes()), "{yes}");
        }
        for no in ["180.1", "95.5,120.5", "1.5,2.5,3.5", "", "nan", "inf", "12.x"] {
            assert!(!coordinates(no.as_bytes()), "{no}");
        }
    }
}
