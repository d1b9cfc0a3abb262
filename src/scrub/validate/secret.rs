//! Whether a text looks made by a machine to be kept secret, and checks of coins' addresses.

use aws_lc_rs::digest;

/// How many different bytes.
fn different(value: &[u8]) -> u32 {
    let mut seen = [0u64; 4];
    value.iter().for_each(|b| seen[usize::from(b >> 6)] |= 1 << (b & 63));
    seen.iter().map(|w| w.count_ones()).sum()
}

/// Random-looking: digits and letters, and enough different ones.
pub fn random(value: &[u8]) -> bool {
    different(value) >= 6 && value.iter().any(u8::is_ascii_digit) && value.iter().any(u8::is_ascii_alphabetic)
}

/// Behind a name that is not sure: 10 bytes or more of digits and letters, no date, no version, no path.
pub fn secret(value: &[u8]) -> bool {
    let runs = value.split(|b| !b.is_ascii_alphanumeric());
    let longest = runs.map(<[u8]>::len).max().unwrap_or(0);
    value.len() >= 10
        && longest >= 5
        && different(value) >= 7
        && (random(value) || mixed(value))
        && !value.starts_with(b"/")
        && !value.windows(3).any(|w| w == b"://")
        && !time(value)
}

/// Behind a name that says key, of which there are many kinds: as [`secret`], but no UUID.
pub fn key(value: &[u8]) -> bool {
    let uuid = value.len() == 36 && value.iter().filter(|b| **b == b'-').count() == 4;
    secret(value) && !uuid && value.split(|b| !b.is_ascii_alphanumeric()).any(|run| run.len() >= 10)
}

/// Upper and lower case mixed as no word does, without digits.
fn mixed(value: &[u8]) -> bool {
    value.len() >= 16 && changes(value) * 3 > value.len()
}

/// A date or a time at the start.
fn time(value: &[u8]) -> bool {
    matches!(value, [a, b, c, d, b'-', e, f, b'-', ..]
        if [a, b, c, d, e, f].iter().all(|b| b.is_ascii_digit()))
}

/// A token behind a prefix of its vendor's own: lower case, upper case and digits mixed well, so that no
/// name of a pod, a file or a hash is one.
pub fn token(value: &[u8]) -> bool {
    let body = value.rsplit(|b| matches!(b, b'_' | b'-' | b'.')).next().unwrap_or_default();
    let count = |test: fn(&u8) -> bool| body.iter().filter(|b| test(b)).count();
    let (upper, lower, digit) =
        (count(u8::is_ascii_uppercase), count(u8::is_ascii_lowercase), count(u8::is_ascii_digit));
    let prefix = value.split(|b| matches!(b, b'_' | b'-' | b'.')).next().unwrap_or_default();
    body.len() >= 20
        && upper >= 3
        && lower >= 3
        && digit >= 2
        && different(body) >= 10
        && changes(body) * 3 > body.len()
        && !OBJECTS.contains(&prefix)
}

/// How often one kind of character follows another: seldom in words written together.
fn changes(value: &[u8]) -> usize {
    let kind = |b: &u8| u8::from(b.is_ascii_digit()) + 2 * u8::from(b.is_ascii_uppercase());
    value.windows(2).filter(|pair| kind(&pair[0]) != kind(&pair[1])).count()
}

/// Prefixes of ids that name things and open nothing.
const OBJECTS: &[&[u8]] = &[
    b"ch",
    b"pi",
    b"cus",
    b"evt",
    b"in",
    b"sub",
    b"price",
    b"prod",
    b"req",
    b"card",
    b"pm",
    b"seti",
    b"txn",
    b"acct",
    b"re",
    b"po",
    b"tr",
    b"dp",
    b"si",
    b"cn",
    b"il",
    b"ii",
    b"py",
    b"src",
    b"ba",
    b"file",
    b"msg",
    b"run",
    b"thread",
    b"asst",
    b"chatcmpl",
    b"resp",
    b"call",
    b"toolu",
    b"batch",
    b"user",
    b"org",
    b"pk",
    b"sha256",
    b"sha512",
    b"sha384",
    b"nonce",
];

/// A Bitcoin address (Base58Check or Bech32), an Ethereum address.
pub fn coin(value: &[u8]) -> bool {
    match value {
        [b'0', b'x' | b'X', hex @ ..] => {
            hex.len() == 40 && hex.iter().all(u8::is_ascii_hexdigit) && different(hex) >= 8
        }
        [b'b' | b'B', b'c' | b'C', b'1', ..] | [b't' | b'T', b'b' | b'B', b'1', ..] => bech32(value),
        _ => base58(value),
    }
}

fn base58(value: &[u8]) -> bool {
    const LETTERS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    let mut number = [0u8; 25];
    for byte in value {
        let Some(place) = LETTERS.iter().position(|l| l == byte) else { return false };
        let mut carry = place as u32;
        for slot in number.iter_mut().rev() {
            carry += u32::from(*slot) * 58;
            *slot = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            return false;
        }
    }
    let once = digest::digest(&digest::SHA256, &number[..21]);
    let twice = digest::digest(&digest::SHA256, once.as_ref());
    number[21..] == twice.as_ref()[..4]
}

fn bech32(value: &[u8]) -> bool {
    const LETTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let mixed = value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase);
    let mut check = 1u32;
    let mut add = |n: u32| {
        let top = check >> 25;
        check = (check & 0x01ff_ffff) << 5 ^ n;
        for (i, generator) in GENERATOR.iter().enumerate() {
            check ^= if top >> i & 1 == 1 { *generator } else { 0 };
        }
    };
    let prefix = value[..2].to_ascii_lowercase();
    prefix.iter().for_each(|b| add(u32::from(b >> 5)));
    add(0);
    prefix.iter().for_each(|b| add(u32::from(b & 31)));
    for byte in &value[3..] {
        let Some(place) = LETTERS.iter().position(|l| *l == byte.to_ascii_lowercase()) else { return false };
        add(place as u32);
    }
    !mixed && (check == 1 || check == 0x2bc8_30a3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: addresses with right and wrong checksums. Guarantee: only the right ones pass.
    #[test]
    fn addresses_add_up() {
        for good in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
            "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "0x742d35Cc6634C0532925a3b844Bc454e4438f44e",
        ] {
            assert!(coin(good.as_bytes()), "{good}");
        }
        for bad in [
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp",
            "0x0000000000000000000000000000000000000000",
        ] {
            assert!(!coin(bad.as_bytes()), "{bad}");
        }
    }

    /// Scenario: tokens, and things that are named alike. Guarantee: told apart.
    #[test]
    fn tokens_are_no_names() {
        for good in ["vcp_qZrXwCvVbNnMkLjHgFdS8641397250poiuytrewq", "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"]
        {
            assert!(token(good.as_bytes()), "{good}");
        }
        for bad in [
            "auth-kxmmrtqqzd-wwn7h",
            "mv_ValidateRFC4281CodecId",
            "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU",
            "pi_3MtwBwLkdIwHu7ix28a3tqPa",
            "user_69b9f425705c10e576aa6ade81d91e1a",
        ] {
            assert!(!token(bad.as_bytes()), "{bad}");
        }
        assert!(secret(b"kJhGfDsAqWeRtYuIoPlKjHgF") && !secret(b"ValidateCodecIdentifierNow"));
        assert!(secret(b"mua2nitr6zierpjp84jhcat23nxp3uew") && !secret(b"2026-01-02T03:04:05Z"));
    }
}
