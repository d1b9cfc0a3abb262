//! New canaries from the system's random source.

use aws_lc_rs::rand;

use super::words::WORDS;
use crate::{cli::Failure, detect::mentions};

/// What a canary looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Kind {
    /// `cnry-` and twenty hexadecimal digits: 80 bits, for ids, keys, file names and notes
    #[default]
    Token,
    /// Three words and a number of six digits: 43 bits, for titles, messages and names of people's things
    Phrase,
    /// An address that nobody reads: 66 bits, for contacts
    Email,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Kind::Token => "token",
            Kind::Phrase => "phrase",
            Kind::Email => "email",
        }
    }

    /// How much chance is in one, in bits, rounded down.
    pub(super) const fn bits(self) -> u32 {
        match self {
            Kind::Token => 80,
            // 3 x 8, and log2 of 900,000.
            Kind::Phrase => 43,
            // 2 x 8, and ten letters of 32.
            Kind::Email => 66,
        }
    }

    /// The kind that a canary of a catalogue looks like.
    pub(super) fn of(canary: &str) -> &'static str {
        let is_token = |rest: &str| rest.len() == 20 && rest.bytes().all(|byte| byte.is_ascii_hexdigit());
        if canary.strip_prefix("cnry-").is_some_and(is_token) {
            "token"
        } else if canary.contains('@') {
            "email"
        } else if canary.trim().contains(' ') {
            "phrase"
        } else {
            "other"
        }
    }
}

/// How often one that names a tenant is thrown away before that is a mistake.
const TRIES: usize = 32;

/// A new canary that holds no tenant's name; `domain` is where addresses are.
pub(super) fn canary(kind: Kind, domain: &str, mentions: &mentions::Mentions) -> Result<String, Failure> {
    let mut scratch = mentions::Scratch::default();
    for _ in 0..TRIES {
        let canary = random(kind, domain)?;
        let mut free = true;
        mentions.scan(canary.as_bytes(), &mut scratch, &mut |_| free = false);
        if free {
            return Ok(canary);
        }
    }
    Err(Failure::failed(format!(
        "{TRIES} canaries of the kind {} held a tenant's name; for addresses give another --domain",
        kind.as_str()
    )))
}

fn random(kind: Kind, domain: &str) -> Result<String, Failure> {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).map_err(|_| Failure::failed("the system gives no random bytes"))?;
    let word = |at: usize| WORDS[usize::from(bytes[at])];
    Ok(match kind {
        Kind::Token => {
            bytes[..10].iter().fold("cnry-".to_owned(), |text, byte| text + &format!("{byte:02x}"))
        }
        Kind::Phrase => {
            // 2^64 is so much larger that the remainder favours nothing.
            let number = bytes[8..].iter().fold(0, |n, byte| n << 8 | u64::from(*byte)) % 900_000 + 100_000;
            format!("{} {} {} {number}", word(0), word(1), word(2))
        }
        Kind::Email => {
            let letters: String = bytes[2..12].iter().map(|byte| letter(byte & 31)).collect();
            format!("{}.{}.{letters}@{domain}", word(0), word(1)).to_lowercase()
        }
    })
}

/// A letter or digit of 32.
fn letter(five: u8) -> char {
    char::from(if five < 26 { b'a' + five } else { b'2' + five - 26 })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{batch::TenantId, detect::mentions::Mentions};

    /// Scenario: many canaries of each kind. Guarantee: none twice, each as it is described, told as its kind, and
    /// taken by the matcher.
    #[test]
    fn canaries_are_of_their_kind() {
        for (kind, pattern) in [
            (Kind::Token, "^cnry-[0-9a-f]{20}$"),
            (Kind::Phrase, "^[A-Z][a-z]+ [A-Z][a-z]+ [A-Z][a-z]+ [1-9][0-9]{5}$"),
            (Kind::Email, r"^[a-z]+\.[a-z]+\.[a-z2-7]{10}@example\.net$"),
        ] {
            let pattern = regex::Regex::new(pattern).unwrap();
            let mut seen = HashSet::new();
            for _ in 0..200 {
                let made = canary(kind, "example.net", &Mentions::default()).unwrap();
                assert!(pattern.is_match(&made), "{made}");
                assert_eq!(Kind::of(&made), kind.as_str());
                let tenant = TenantId("11111111-1111-4111-8111-111111111111".parse().unwrap());
                let names = mentions::Names { canaries: vec![&made], ..mentions::Names::new(tenant) };
                let index = Mentions::build([names], []);
                let mut found = 0;
                index.scan(format!("note: {made}.").as_bytes(), &mut Default::default(), &mut |_| found += 1);
                assert_eq!(found, 1, "{made}");
                seen.insert(made);
            }
            assert_eq!(seen.len(), 200);
        }
        let words: HashSet<&str> = WORDS.into_iter().collect();
        assert_eq!(words.len(), WORDS.len(), "a word that stands twice is less chance");
    }

    /// Scenario: addresses under a tenant's own domain. Guarantee: refused, with what to do.
    #[test]
    fn a_canary_that_names_a_tenant_is_not_made() {
        let tenant = TenantId("11111111-1111-4111-8111-111111111111".parse().unwrap());
        let names = mentions::Names { domains: vec!["acme.example"], ..mentions::Names::new(tenant) };
        let index = Mentions::build([names], []);
        let refused = canary(Kind::Email, "acme.example", &index).unwrap_err();
        assert!(refused.text.contains("--domain"), "{refused}");
        assert!(canary(Kind::Email, "example.net", &index).is_ok());
    }
}
