//! The personal data and the secrets of the demo: all made up, all from this one list.

/// What the demo plants, by kind. Every value of it is looked for on the receiving end.
pub struct Planted {
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Card numbers with a check digit that is right.
    pub cards: Vec<String>,
    /// Bearer tokens, without the word.
    pub bearers: Vec<String>,
    /// IPv4 addresses.
    pub addresses: Vec<String>,
    /// Telephone numbers.
    pub phones: Vec<String>,
    /// Passwords.
    pub passwords: Vec<String>,
    /// Keys of a cloud's interface.
    pub keys: Vec<String>,
    /// What people wrote to a model.
    pub prompts: Vec<String>,
}

const FIRST: [&str; 8] = ["anna", "bruno", "chiara", "dmitri", "elif", "farid", "greta", "hugo"];
const LAST: [&str; 8] = ["okafor", "lindqvist", "moreau", "tanaka", "novak", "silva", "weber", "kaplan"];
const DOMAINS: [&str; 4] =
    ["mailbox-sample.org", "post.sample-shop.co.uk", "inbox-sample.net", "sample-web.de"];
const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Planted {
    /// The same values every time.
    pub fn new() -> Self {
        let mut random = Random(0x5eed_0fde);
        let emails = (0..64usize)
            .map(|n| format!("{}.{}{n}@{}", FIRST[n % 8], LAST[n / 8 % 8], DOMAINS[n % 4]))
            .collect();
        let cards = (0..24)
            .map(|n| {
                let digits = card(&mut random);
                if n % 2 == 0 { digits } else { spaced(&digits) }
            })
            .collect();
        let addresses = (0..48u64)
            .map(|n| format!("{}.{}.{}.{}", 80 + n % 16, 100 + random.below(150), random.below(250), 10 + n))
            .collect();
        let phones = (0..24).map(|n| format!("+44 20 7946 {:04}", 100 + 37 * n)).collect();
        let prompts = (0..16)
            .map(|n| {
                format!(
                    "Please write to my landlord {} {} that I, flat {n}, lost my job and cannot pay in May",
                    FIRST[n % 8],
                    LAST[(n + 3) % 8]
                )
            })
            .collect();
        Planted {
            emails,
            cards,
            bearers: (0..24).map(|_| format!("{}7q", random.text(LETTERS, 34))).collect(),
            addresses,
            phones,
            passwords: (0..24).map(|n| format!("Tr0ub{n}-{}", random.text(LETTERS, 9))).collect(),
            keys: (0..8).map(|_| format!("AKIA{}", random.text(CAPITALS, 16))).collect(),
            prompts,
        }
    }

    /// Every value with its kind.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let kinds: [(&'static str, &Vec<String>); 8] = [
            ("e-mail address", &self.emails),
            ("card number", &self.cards),
            ("bearer token", &self.bearers),
            ("address", &self.addresses),
            ("telephone number", &self.phones),
            ("password", &self.passwords),
            ("access key", &self.keys),
            ("prompt", &self.prompts),
        ];
        kinds.into_iter().flat_map(|(kind, values)| values.iter().map(move |value| (kind, value.as_str())))
    }
}

/// One of `values`, in turn.
pub fn pick(values: &[String], turn: u64) -> &str {
    let count = values.len().max(1) as u64;
    values.get((turn % count) as usize).map_or("", String::as_str)
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len() as u64) as usize])).collect()
    }
}

/// Sixteen digits; the last one is Luhn's.
fn card(random: &mut Random) -> String {
    let mut digits = vec![4, 5, 3, 9];
    digits.extend((0..11).map(|_| random.below(10)));
    let sum: u64 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, digit * 2) {
            (0, double) if double > 9 => double - 9,
            (0, double) => double,
            _ => *digit,
        })
        .sum();
    digits.push((10 - sum % 10) % 10);
    digits.iter().map(u64::to_string).collect()
}

fn spaced(digits: &str) -> String {
    digits.as_bytes().chunks(4).map(String::from_utf8_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Scenario: the list is made. Guarantee: values differ, are long enough to be looked for, and
    /// card numbers pass Luhn's check.
    #[test]
    fn the_list_is_fit_to_be_looked_for() {
        let planted = Planted::new();
        let values: Vec<&str> = planted.all().map(|(_, value)| value).collect();
        assert_eq!(values.len(), values.iter().collect::<HashSet<_>>().len());
        assert!(values.iter().all(|value| value.len() >= 9));
        for number in &planted.cards {
            let digits: Vec<u32> = number.chars().filter_map(|c| c.to_digit(10)).collect();
            let sum: u32 = digits
                .iter()
                .rev()
                .enumerate()
                .map(|(place, digit)| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
                .sum();
            assert_eq!((digits.len(), sum % 10), (16, 0), "{number}");
        }
    }
}
