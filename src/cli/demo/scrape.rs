//! The gate's own counters, read as Prometheus reads them.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

/// The gate's own series of one scrape.
#[derive(Debug, Clone, Default)]
pub struct Scrape {
    samples: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Scrape {
    /// Scrapes `/metrics`.
    pub async fn of(client: &reqwest::Client, address: SocketAddr) -> Result<Scrape, String> {
        let url = format!("http://{address}/metrics");
        let wrong = |error: reqwest::Error| format!("{url} does not answer: {}", error.without_url());
        let response = client.get(&url).timeout(Duration::from_secs(5)).send().await.map_err(wrong)?;
        if !response.status().is_success() {
            return Err(format!("{url} answers {}", response.status()));
        }
        Ok(Scrape::parse(&response.text().await.map_err(wrong)?))
    }

    fn parse(text: &str) -> Scrape {
        let own = text.lines().filter(|line| line.starts_with("portcullis_"));
        Scrape { samples: own.filter_map(sample).collect() }
    }

    /// The sum over all series of a name.
    pub fn sum(&self, name: &str) -> u64 {
        self.by(name, "").into_values().sum()
    }

    /// The sum over all series of a name, by a label's value.
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (_, labels, value) in self.samples.iter().filter(|(of, ..)| of == name) {
            *sums.entry(labels.get(label).cloned().unwrap_or_default()).or_insert(0) += value.round() as u64;
        }
        sums
    }
}

/// `name{label="value",...} number`
fn sample(line: &str) -> Option<(String, BTreeMap<String, String>, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"")?;
            let mut value = String::new();
            let mut characters = after.char_indices();
            let end = loop {
                match characters.next()? {
                    (at, '"') => break at + 1,
                    (_, '\\') => value.push(characters.next()?.1),
                    (_, character) => value.push(character),
                }
            };
            labels.insert(label.to_owned(), value);
            rest = after[end..].trim_start_matches(',');
        }
        rest = &rest[1..];
    }
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some((name.to_owned(), labels, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a page with comments, labels with quotes, and other series. Guarantee: sums are those of the page.
    #[test]
    fn sums_are_those_of_the_page() {
        let page = "# TYPE portcullis_x_total counter\nportcullis_x_total{a=\"1\",b=\"q\\\"},\"} 2\n\
                    portcullis_x_total{a=\"2\"} 3 1700000000\nportcullis_y 1e2\nother{a=\"1\"} 9\nportcullis_z{\n";
        let scrape = Scrape::parse(page);
        assert_eq!((scrape.sum("portcullis_x_total"), scrape.sum("portcullis_y")), (5, 100));
        assert_eq!(scrape.by("portcullis_x_total", "a"), BTreeMap::from([("1".into(), 2), ("2".into(), 3)]));
        assert_eq!((scrape.sum("other"), scrape.sum("portcullis_z")), (0, 0));
    }
}
