//! Checks that a regular expression cannot make: digits that add up, ranges, places that are not secret.

mod card;
mod iban;
mod national;
mod place;
mod secret;

pub(super) use card::may_end_card;

use serde::{Deserialize, Serialize};

/// The closed set of validators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Validator {
    /// Payment card: issuer range, length and Luhn.
    Card,
    /// United States social security number: ranges that are issued.
    Ssn,
    /// IBAN: the country's length and modulus 97.
    Iban,
    /// IPv4: octets in range; not loopback, unspecified, broadcast or a netmask.
    Ipv4,
    /// IPv6: parses; not loopback, unspecified or link-local.
    Ipv6,
    /// Hardware address: not all zeros or ones.
    Mac,
    /// Telephone number: 8 to 15 digits, not all the same.
    Phone,
    /// Random-looking: digits and letters, and enough different ones.
    Random,
    /// E-mail address: a plausible domain.
    Email,
    /// Base64 of `user:password`.
    Basic,
    /// British NHS number: modulus 11.
    Nhs,
    /// Brazilian CPF: both check digits.
    Cpf,
    /// Behind a name that is not sure: looks made by a machine to be kept secret.
    Secret,
    /// The same behind a name that says key: no UUID, and mostly letters and digits.
    SecretKey,
    /// A vendor's token: upper case, lower case and digits mixed well.
    Token,
    /// An address of Bitcoin or Ethereum, with its checksum.
    Coin,
    /// Three digits or more.
    Numbered,
    /// A number with the check digit of cards, whoever issued it.
    Luhn,
    /// India: Aadhaar, 12 digits with a Verhoeff digit.
    Aadhaar,
    /// Argentina: CUIT and CUIL, 11 digits, modulus 11.
    Cuit,
    /// Australia: TFN (8 or 9 digits, modulus 11), ABN (11 digits, modulus 89), Medicare (10 digits).
    Australia,
    /// Austria: social insurance number, 10 digits, modulus 11 with the check digit in fourth place.
    Austria,
    /// Belgium: national number, 11 digits, 97 minus the remainder of the first nine.
    Belgium,
    /// Bulgaria: EGN, 10 digits, modulus 11.
    Egn,
    /// Brazil: CNPJ, 14 digits, two check digits.
    Cnpj,
    /// Canada: social insurance number, 9 digits, Luhn.
    Sin,
    /// Switzerland: AHV number, 13 digits from 756, EAN check digit.
    Ahv,
    /// Chile: RUT, modulus 11 with `K` for 10.
    Rut,
    /// China: resident identity card, 18 places, a date and ISO 7064 modulus 11,2.
    China,
    /// Czechia and Slovakia: birth number, 10 digits, a date, divisible by 11.
    Czech,
    /// Germany: tax identification number, 11 digits, ISO 7064 modulus 11,10.
    GermanTax,
    /// Denmark: CPR number, 10 digits that begin with a date (the check digit was given up in 2007).
    Cpr,
    /// Estonia and Lithuania: personal code, 11 digits, two rounds of modulus 11.
    Baltic,
    /// Spain: DNI and NIE, 23 check letters.
    Dni,
    /// Finland: personal identity code, a date, a century sign and 31 check characters.
    Hetu,
    /// France: NIR, 13 places and 97 minus the remainder.
    Nir,
    /// Greece: AMKA, 11 digits, a date and Luhn.
    Amka,
    /// Croatia: OIB, 11 digits, ISO 7064 modulus 11,10.
    Oib,
    /// Ireland: PPS number, 7 digits and 23 check letters.
    Pps,
    /// Israel: identity number, 9 digits, Luhn.
    Israel,
    /// Iceland: kennitala, 10 digits, a date and modulus 11.
    Kennitala,
    /// Italy: codice fiscale, 16 places, a check letter.
    CodiceFiscale,
    /// Japan: individual number, 12 digits, modulus 11.
    MyNumber,
    /// Korea: resident registration number, 13 digits that begin with a date; numbers of before October 2020 also have a check digit.
    Rrn,
    /// Mexico: CURP, 18 places, a date and a check digit.
    Curp,
    /// The Netherlands: BSN, 9 digits, modulus 11.
    Bsn,
    /// Norway: birth number, 11 digits, two check digits.
    Norway,
    /// New Zealand: IRD number, 8 or 9 digits, modulus 11 with two rounds of weights.
    Ird,
    /// Poland: PESEL, 11 digits.
    Pesel,
    /// Poland: NIP, 10 digits, modulus 11.
    Nip,
    /// Portugal: NIF, 9 digits, modulus 11.
    Portugal,
    /// Romania: CNP, 13 digits, modulus 11.
    Cnp,
    /// Serbia and its neighbours: JMBG, 13 digits, modulus 11.
    Jmbg,
    /// Russia: INN, 10 or 12 digits.
    Inn,
    /// Sweden: personal identity number, 10 or 12 digits, a date and Luhn.
    Personnummer,
    /// Singapore: NRIC and FIN, 7 digits and a check letter.
    Nric,
    /// Thailand: identity number, 13 digits, modulus 11.
    Thailand,
    /// Turkey: identity number, 11 digits, two check digits.
    Tckn,
    /// Taiwan: identity number, a letter and 9 digits, modulus 10.
    Taiwan,
    /// Ukraine: RNTRC, 10 digits, modulus 11.
    Rntrc,
    /// South Africa: identity number, 13 digits, a date and Luhn.
    SouthAfrica,
    /// United States: bank routing number, 9 digits, weights 3 7 1.
    Aba,
    /// A device's IMEI: 15 digits, Luhn.
    Imei,
    /// A latitude or a longitude in degrees, or both: in range.
    Coordinates,
    /// Any of the checks of numbers that are digits alone, for a text that only says "identity number".
    National,
}

impl Validator {
    /// The name, as a pack has it.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// Whether `value` passes.
    pub fn check(self, value: &[u8]) -> bool {
        match self {
            Validator::Card => card::card(value),
            Validator::Ssn => ssn(value),
            Validator::Iban => iban::iban(value),
            Validator::Ipv4 => ipv4(value),
            Validator::Ipv6 => ipv6(value),
            Validator::Mac => mac(value),
            Validator::Phone => phone(value),
            Validator::Random => secret::random(value),
            Validator::Email => email(value),
            Validator::Basic => basic(value),
            Validator::Nhs => nhs(value),
            Validator::Cpf => cpf(value),
            Validator::Secret => secret::secret(value),
            Validator::SecretKey => secret::key(value),
            Validator::Token => secret::token(value),
            Validator::Coin => secret::coin(value),
            Validator::Numbered => value.iter().filter(|b| b.is_ascii_digit()).count() >= 3,
            Validator::Luhn => {
                digits::<19>(value).is_some_and(|(digits, len)| card::luhn(digits[..len].iter().copied()))
            }
            Validator::Aadhaar => national::aadhaar(value),
            Validator::Cuit => national::cuit(value),
            Validator::Australia => national::australia(value),
            Validator::Austria => national::austria(value),
            Validator::Belgium => national::belgium(value),
            Validator::Egn => national::egn(value),
            Validator::Cnpj => national::cnpj(value),
            Validator::Sin => national::sin(value),
            Validator::Ahv => national::ahv(value),
            Validator::Rut => national::rut(value),
            Validator::China => national::china(value),
            Validator::Czech => national::czech(value),
            Validator::GermanTax => national::german_tax(value),
            Validator::Cpr => national::cpr(value),
            Validator::Baltic => national::baltic(value),
            Validator::Dni => national::dni(value),
            Validator::Hetu => national::hetu(value),
            Validator::Nir => national::nir(value),
            Validator::Amka => national::amka(value),
            Validator::Oib => national::oib(value),
            Validator::Pps => national::pps(value),
            Validator::Israel => national::israel(value),
            Validator::Kennitala => national::kennitala(value),
            Validator::CodiceFiscale => national::codice_fiscale(value),
            Validator::MyNumber => national::my_number(value),
            Validator::Rrn => national::rrn(value),
            Validator::Curp => national::curp(value),
            Validator::Bsn => national::bsn(value),
            Validator::Norway => national::norway(value),
            Validator::Ird => national::ird(value),
            Validator::Pesel => national::pesel(value),
            Validator::Nip => national::nip(value),
            Validator::Portugal => national::portugal(value),
            Validator::Cnp => national::cnp(value),
            Validator::Jmbg => national::jmbg(value),
            Validator::Inn => national::inn(value),
            Validator::Personnummer => national::personnummer(value),
            Validator::Nric => national::nric(value),
            Validator::Thailand => national::thailand(value),
            Validator::Tckn => national::tckn(value),
            Validator::Taiwan => national::taiwan(value),
            Validator::Rntrc => national::rntrc(value),
            Validator::SouthAfrica => national::south_africa(value),
            Validator::Aba => national::aba(value),
            Validator::Imei => national::imei(value),
            Validator::Coordinates => place::coordinates(value),
            Validator::National => national::any(value),
        }
    }
}

impl Validator {
    /// Whether a match between `before` and `after` was torn out of something longer.
    pub(super) fn torn(self, before: Option<u8>, after: &[u8]) -> bool {
        let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let next = after.first().copied();
        let next_digit = after.get(1).is_some_and(u8::is_ascii_digit);
        match self {
            // A port may follow all eight groups.
            Validator::Ipv6 => {
                before.is_some_and(|b| word(b) || b == b':')
                    || next.is_some_and(|b| word(b) || (b == b':' && !next_digit))
            }
            Validator::Mac => {
                before.is_some_and(|b| word(b) || b == b':') || next.is_some_and(|b| word(b) || b == b':')
            }
            Validator::Ipv4 => {
                before.is_some_and(|b| word(b) || matches!(b, b'.' | b'-' | b'~'))
                    || next.is_some_and(word)
                    || (matches!(next, Some(b'.' | b'-')) && next_digit)
            }
            Validator::Ssn => {
                before.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b == b'+')
                    || next.is_some_and(|b| b.is_ascii_alphanumeric())
                    || (matches!(next, Some(b'.' | b'-')) && next_digit)
            }
            // Glued to a word that follows: but not to the rest of a hexadecimal number.
            Validator::Card => {
                let glued = after.iter().take(24).take_while(|b| word(**b));
                before.is_some_and(|b| word(b) || b == b'.' || b == b'-' || b == b'+')
                    || next.is_some_and(|b| b.is_ascii_digit())
                    || (next.is_some_and(word) && glued.clone().all(u8::is_ascii_hexdigit))
                    || (matches!(next, Some(b'.' | b'-')) && next_digit)
            }
            Validator::Cpf | Validator::Nhs => {
                before.is_some_and(|b| word(b) || b == b'.' || b == b'-' || b == b'+')
                    || next.is_some_and(word)
                    || (matches!(next, Some(b'.' | b'-')) && next_digit)
            }
            Validator::Phone => {
                before.is_some_and(|b| word(b) || b == b'.' || b == b'-')
                    || next.is_some_and(word)
                    || (matches!(next, Some(b'.' | b'-')) && next_digit)
            }
            _ => false,
        }
    }
}

/// The digits of `value`, at most `N`; `None` when there are more.
fn digits<const N: usize>(value: &[u8]) -> Option<([u8; N], usize)> {
    let mut out = [0; N];
    let mut len = 0;
    for digit in value.iter().filter(|b| b.is_ascii_digit()) {
        *out.get_mut(len)? = digit - b'0';
        len += 1;
    }
    Some((out, len))
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |n, d| n * 10 + u32::from(*d))
}

/// Whether the colon at `at` may be one of an IPv6 address: eight groups, or some left out (`::`). Of longer
/// rows of colons, in which several matches may follow each other, this doesn't say no.
pub(super) fn may_hold_ipv6(text: &[u8], at: usize) -> bool {
    let colon = |at: usize| text.get(at) == Some(&b':');
    if colon(at + 1) || (at > 0 && colon(at - 1)) {
        return true;
    }
    let part = |b: &&u8| b.is_ascii_hexdigit() || **b == b':';
    let start = at - text[..at].iter().rev().take(48).take_while(part).count();
    let end = at + text[at..].iter().take(48).take_while(part).count();
    let row = &text[start..end];
    row.len() > 40
        || row.windows(2).any(|two| two == b"::")
        || row.iter().filter(|b| **b == b':').count() >= 6
}

fn ssn(value: &[u8]) -> bool {
    let Some((digits, 9)) = digits::<9>(value) else { return false };
    let area = number(&digits[..3]);
    area != 0
        && area != 666
        && area < 900
        && number(&digits[3..5]) != 0
        && number(&digits[5..]) != 0
        && !(area == 123 && number(&digits[3..5]) == 45 && number(&digits[5..]) == 6789)
        && !digits[1..].iter().all(|d| *d == digits[0])
}

fn ipv4(value: &[u8]) -> bool {
    let Some(address) = std::str::from_utf8(value).ok().and_then(|v| v.parse::<std::net::Ipv4Addr>().ok())
    else {
        return false;
    };
    let [a, _, _, d] = address.octets();
    !(a == 0 || a == 127 || address.is_broadcast() || (a == 255 && d == 0))
}

fn ipv6(value: &[u8]) -> bool {
    let Some(address) = std::str::from_utf8(value).ok().and_then(|v| v.parse::<std::net::Ipv6Addr>().ok())
    else {
        return false;
    };
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

fn mac(value: &[u8]) -> bool {
    let hex = || value.iter().filter(|b| b.is_ascii_hexdigit()).map(u8::to_ascii_lowercase);
    !hex().all(|b| b == b'0') && !hex().all(|b| b == b'f')
}

fn phone(value: &[u8]) -> bool {
    match digits::<15>(value) {
        Some((digits, len)) => len >= 7 && !digits[1..len].iter().all(|d| *d == digits[0]),
        None => false,
    }
}

/// Last labels that are file names or code, not domains.
const NOT_DOMAINS: &[&[u8]] = &[
    b"png", b"jpg", b"gif", b"svg", b"js", b"ts", b"css", b"service", b"socket", b"target", b"timer",
    b"mount", b"scope", b"slice", b"java", b"py", b"rb", b"so", b"jar", b"json", b"yaml", b"yml", b"log",
];

fn email(value: &[u8]) -> bool {
    let Some(at) = value.iter().rposition(|b| *b == b'@') else { return false };
    let domain = &value[at + 1..];
    let last = domain.rsplit(|b| *b == b'.').next().unwrap_or_default().to_ascii_lowercase();
    at > 0 && !domain.windows(2).any(|w| w == b"..") && !NOT_DOMAINS.contains(&&last[..])
}

fn basic(value: &[u8]) -> bool {
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let end = value.iter().rposition(|b| *b != b'=').map_or(0, |i| i + 1);
    STANDARD_NO_PAD.decode(&value[..end]).is_ok_and(|plain| plain.contains(&b':'))
}

fn nhs(value: &[u8]) -> bool {
    let Some((digits, 10)) = digits::<10>(value) else { return false };
    let sum: u32 = digits[..9].iter().zip((2..=10u32).rev()).map(|(d, w)| u32::from(*d) * w).sum();
    (11 - sum % 11) % 11 == u32::from(digits[9])
}

fn cpf(value: &[u8]) -> bool {
    let Some((digits, 11)) = digits::<11>(value) else { return false };
    let check = |n: usize| {
        let sum: u32 = digits[..n].iter().zip((2..=n as u32 + 1).rev()).map(|(d, w)| u32::from(*d) * w).sum();
        (sum * 10 % 11) % 10 == u32::from(digits[n])
    };
    !digits[1..].iter().all(|d| *d == digits[0]) && check(9) && check(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: one true and one nearly true value for each validator. Guarantee: only the true one passes.
    #[test]
    fn each_validator_tells_true_from_nearly_true() {
        for (validator, good, bad) in [
            (Validator::Card, "4111 1111 1111 1111", "4111 1111 1111 1112"),
            (Validator::Card, "371449635398431", "1732000000000000000"),
            (Validator::Ssn, "219-09-9999", "666-12-3456"),
            (Validator::Iban, "GB82 WEST 1234 5698 7654 32", "GB82 WEST 1234 5698 7654 33"),
            (Validator::Ipv4, "203.0.113.9", "127.0.0.1"),
            (Validator::Ipv4, "10.1.2.3", "300.1.2.3"),
            (Validator::Ipv6, "2001:db8::1", "::1"),
            (Validator::Mac, "00:1b:44:11:3a:b7", "ff:ff:ff:ff:ff:ff"),
            (Validator::Phone, "+1 212 555 0123", "+1 23"),
            (Validator::Random, "a8F3kq0Z", "aaaaaaaa"),
            (Validator::Email, "a@example.com", "getty@tty1.service"),
            (Validator::Basic, "dXNlcjpwYXNz", "aGVsbG8="),
            (Validator::Nhs, "943 476 5919", "943 476 5918"),
            (Validator::Cpf, "529.982.247-25", "529.982.247-26"),
        ] {
            assert!(validator.check(good.as_bytes()), "{validator:?} {good}");
            assert!(!validator.check(bad.as_bytes()), "{validator:?} {bad}");
        }
    }
}
