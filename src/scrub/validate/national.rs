//! Check digits of identity and tax numbers. Each follows its issuer's rule as the public registers and
//! python-stdnum's documentation describe it; a number that fails is not one.

/// The digits and upper-case letters of a value, without what separates them; at most 24.
struct Clean {
    text: [u8; 24],
    len: usize,
}

impl Clean {
    fn of(value: &[u8]) -> Option<Clean> {
        let mut out = Clean { text: [0; 24], len: 0 };
        for byte in value.iter().filter(|b| b.is_ascii_alphanumeric()) {
            *out.text.get_mut(out.len)? = byte.to_ascii_uppercase();
            out.len += 1;
        }
        Some(out)
    }

    fn text(&self) -> &[u8] {
        &self.text[..self.len]
    }

    /// All as digits, if they are, and not all the same.
    fn digits(&self, len: usize) -> Option<&[u8]> {
        let text = self.text();
        let varied = text.iter().any(|b| *b != text[0]);
        (text.len() == len && varied && text.iter().all(u8::is_ascii_digit)).then_some(text)
    }
}

/// Whether `text` has `len` digits and nothing else that counts, and they pass.
fn digits(text: &[u8], len: usize, check: impl FnOnce(&[u8]) -> bool) -> bool {
    Clean::of(text).is_some_and(|c| c.digits(len).is_some_and(check))
}

fn sum(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights).map(|(d, w)| u32::from(d - b'0') * w).sum()
}

fn value(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |n, d| n * 10 + u64::from(d - b'0'))
}

fn last(digits: &[u8]) -> u32 {
    digits.last().map_or(99, |d| u32::from(d - b'0'))
}

fn luhn(digits: &[u8]) -> bool {
    super::card::luhn(digits.iter().map(|digit| digit - b'0'))
}

/// ISO 7064 modulus 11,10.
fn mod11_10(digits: &[u8]) -> bool {
    let check = digits[..digits.len() - 1]
        .iter()
        .fold(5, |check, d| (if check == 0 { 10 } else { check } * 2 % 11 + u32::from(d - b'0')) % 10);
    ((if check == 0 { 10 } else { check } * 2) % 11 + last(digits)) % 10 == 1
}

/// Day and month are possible.
fn day(month: u64, day: u64) -> bool {
    (1..=12).contains(&month) && (1..=31).contains(&day)
}

/// `YYMMDD` at the start.
fn ymd(digits: &[u8]) -> bool {
    day(value(&digits[2..4]), value(&digits[4..6]))
}

const VERHOEFF: [[u8; 10]; 10] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
];
const PERMUTATION: [[u8; 10]; 8] = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 5, 7, 6, 2, 8, 3, 0, 9, 4],
    [5, 8, 0, 3, 7, 9, 6, 1, 4, 2],
    [8, 9, 1, 6, 0, 4, 3, 5, 2, 7],
    [9, 4, 5, 3, 1, 2, 6, 8, 7, 0],
    [4, 2, 8, 6, 5, 7, 3, 9, 0, 1],
    [2, 7, 9, 3, 8, 0, 6, 4, 1, 5],
    [7, 0, 4, 6, 9, 1, 3, 2, 5, 8],
];

fn verhoeff(digits: &[u8]) -> bool {
    digits.iter().rev().enumerate().fold(0u8, |check, (i, d)| {
        VERHOEFF[usize::from(check)][usize::from(PERMUTATION[i % 8][usize::from(d - b'0')])]
    }) == 0
}

/// India: Aadhaar, 12 digits with a Verhoeff digit.
pub fn aadhaar(text: &[u8]) -> bool {
    digits(text, 12, |d| d[0] >= b'2' && verhoeff(d))
}

/// Argentina: CUIT and CUIL, 11 digits, modulus 11.
pub fn cuit(text: &[u8]) -> bool {
    digits(text, 11, |d| {
        let check = (11 - sum(&d[..10], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        check == last(d) || (check == 10 && last(d) == 9)
    })
}

/// Australia: TFN (8 or 9 digits, modulus 11), ABN (11 digits, modulus 89), Medicare (10 digits).
pub fn australia(text: &[u8]) -> bool {
    let Some(c) = Clean::of(text) else { return false };
    let tfn = c.digits(9).is_some_and(|d| sum(d, &[1, 4, 3, 7, 5, 8, 6, 9, 10]).is_multiple_of(11));
    let abn = c.digits(11).is_some_and(|d| {
        d[0] > b'0' && (sum(d, &[10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19]) - 10).is_multiple_of(89)
    });
    let medicare = c.digits(10).is_some_and(|d| {
        matches!(d[0], b'2'..=b'6') && sum(&d[..8], &[1, 3, 7, 9, 1, 3, 7, 9]) % 10 == u32::from(d[8] - b'0')
    });
    tfn || abn || medicare
}

/// Austria: social insurance number, 10 digits, modulus 11 with the check digit in fourth place.
pub fn austria(text: &[u8]) -> bool {
    digits(text, 10, |d| {
        let check = sum(d, &[3, 7, 9, 0, 5, 8, 4, 2, 1, 6]) % 11;
        check == u32::from(d[3] - b'0') && day(value(&d[6..8]), value(&d[4..6]))
    })
}

/// Belgium: national number, 11 digits, 97 minus the remainder of the first nine.
pub fn belgium(text: &[u8]) -> bool {
    digits(text, 11, |d| {
        let (n, check) = (value(&d[..9]), value(&d[9..]));
        97 - n % 97 == check || 97 - (n + 2_000_000_000) % 97 == check
    })
}

/// Bulgaria: EGN, 10 digits, modulus 11.
pub fn egn(text: &[u8]) -> bool {
    digits(text, 10, |d| sum(&d[..9], &[2, 4, 8, 5, 10, 9, 7, 3, 6]) % 11 % 10 == last(d))
}

/// Brazil: CNPJ, 14 digits, two check digits.
pub fn cnpj(text: &[u8]) -> bool {
    const W: [u32; 13] = [6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2];
    digits(text, 14, |d| {
        let check = |n: usize| match sum(&d[..n], &W[13 - n..]) % 11 {
            0 | 1 => 0,
            rest => 11 - rest,
        };
        check(12) == u32::from(d[12] - b'0') && check(13) == u32::from(d[13] - b'0')
    })
}

/// Canada: social insurance number, 9 digits, Luhn.
pub fn sin(text: &[u8]) -> bool {
    digits(text, 9, |d| !matches!(d[0], b'0' | b'8') && luhn(d))
}

/// Switzerland: AHV number, 13 digits from 756, EAN check digit.
pub fn ahv(text: &[u8]) -> bool {
    digits(text, 13, |d| {
        let ean = sum(&d[..12], &[1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3]);
        d.starts_with(b"756") && (10 - ean % 10) % 10 == last(d)
    })
}

/// Chile: RUT, modulus 11 with `K` for 10.
pub fn rut(text: &[u8]) -> bool {
    let Some(c) = Clean::of(text) else { return false };
    let Some((check, number)) = c.text().split_last() else { return false };
    if !(7..=8).contains(&number.len()) || !number.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let weighted: u32 = number.iter().rev().zip((2..=7).cycle()).map(|(d, w)| u32::from(d - b'0') * w).sum();
    *check == b"0123456789K0"[(11 - weighted % 11) as usize % 11]
}

/// China: resident identity card, 18 places, a date and ISO 7064 modulus 11,2.
pub fn china(text: &[u8]) -> bool {
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        let Some((check, body)) = t.split_last() else { return false };
        t.len() == 18
            && body.iter().all(u8::is_ascii_digit)
            && (1900..=2099).contains(&value(&t[6..10]))
            && day(value(&t[10..12]), value(&t[12..14]))
            && {
                let n = sum(body, &[7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2]) % 11;
                *check == b"10X98765432"[n as usize]
            }
    })
}

/// Czechia and Slovakia: birth number, 10 digits, a date, divisible by 11.
pub fn czech(text: &[u8]) -> bool {
    digits(text, 10, |d| {
        let month = value(&d[2..4]) % 50;
        day(if month > 20 { month - 20 } else { month }, value(&d[4..6]))
            && (value(d).is_multiple_of(11) || (value(&d[..9]) % 11 == 10 && last(d) == 0))
    })
}

/// Germany: tax identification number, 11 digits, ISO 7064 modulus 11,10.
pub fn german_tax(text: &[u8]) -> bool {
    digits(text, 11, |d| d[0] != b'0' && mod11_10(d))
}

/// Denmark: CPR number, 10 digits that begin with a date (the check digit was given up in 2007).
pub fn cpr(text: &[u8]) -> bool {
    digits(text, 10, |d| day(value(&d[2..4]), value(&d[..2])))
}

/// Estonia and Lithuania: personal code, 11 digits, two rounds of modulus 11.
pub fn baltic(text: &[u8]) -> bool {
    digits(text, 11, |d| {
        let one = sum(&d[..10], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 1]) % 11;
        let two = sum(&d[..10], &[3, 4, 5, 6, 7, 8, 9, 1, 2, 3]) % 11;
        let check = if one < 10 { one } else { two % 10 };
        (b'1'..=b'8').contains(&d[0]) && check == last(d) && ymd(&d[1..])
    })
}

/// Spain: DNI and NIE, 23 check letters.
pub fn dni(text: &[u8]) -> bool {
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        if t.len() != 9 || !t[1..8].iter().all(u8::is_ascii_digit) {
            return false;
        }
        let first = match t[0] {
            b'X' => 0,
            b'Y' => 1,
            b'Z' => 2,
            d @ b'0'..=b'9' => u64::from(d - b'0'),
            _ => return false,
        };
        t[8] == b"TRWAGMYFPDXBNJZSQVHLCKE"[((first * 10_000_000 + value(&t[1..8])) % 23) as usize]
    })
}

/// Finland: personal identity code, a date, a century sign and 31 check characters.
pub fn hetu(text: &[u8]) -> bool {
    let t = text;
    t.len() == 11
        && t[..6].iter().chain(&t[7..10]).all(u8::is_ascii_digit)
        && day(value(&t[2..4]), value(&t[..2]))
        && {
            let n = value(&t[..6]) * 1000 + value(&t[7..10]);
            t[10].to_ascii_uppercase() == b"0123456789ABCDEFHJKLMNPRSTUVWXY"[(n % 31) as usize]
        }
}

/// France: NIR, 13 places and 97 minus the remainder.
pub fn nir(text: &[u8]) -> bool {
    // Most of what is asked for is a long number of another kind.
    if let Ok(plain) = <&[u8; 15]>::try_from(text)
        && plain.iter().all(u8::is_ascii_digit)
    {
        let (body, key) = plain.split_at(13);
        return matches!(plain[0], b'1' | b'2' | b'3' | b'4' | b'7' | b'8')
            && 97 - value(body) % 97 == value(key);
    }
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        if t.len() != 15 || !matches!(t[0], b'1' | b'2' | b'3' | b'4' | b'7' | b'8') {
            return false;
        }
        let corsica = |a: u8, b: u8| (t[5], t[6]) == (a, b);
        let (swap, minus) = match () {
            () if corsica(b'2', b'A') => (true, 1_000_000),
            () if corsica(b'2', b'B') => (true, 2_000_000),
            () => (false, 0),
        };
        let mut body = [0; 13];
        body.copy_from_slice(&t[..13]);
        if swap {
            (body[5], body[6]) = (b'2', b'0');
        }
        body.iter().chain(&t[13..]).all(u8::is_ascii_digit)
            && 97 - (value(&body) - minus) % 97 == value(&t[13..])
    })
}

/// Greece: AMKA, 11 digits, a date and Luhn.
pub fn amka(text: &[u8]) -> bool {
    digits(text, 11, |d| day(value(&d[2..4]), value(&d[..2])) && luhn(d))
}

/// Croatia: OIB, 11 digits, ISO 7064 modulus 11,10.
pub fn oib(text: &[u8]) -> bool {
    digits(text, 11, mod11_10)
}

/// Ireland: PPS number, 7 digits and 23 check letters.
pub fn pps(text: &[u8]) -> bool {
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        if !(8..=9).contains(&t.len()) || !t[..7].iter().all(u8::is_ascii_digit) {
            return false;
        }
        let second = match t.get(8) {
            Some(letter @ b'A'..=b'I') => u32::from(letter - b'A' + 1) * 9,
            Some(b'W') | None => 0,
            Some(_) => return false,
        };
        t[7] == b"WABCDEFGHIJKLMNOPQRSTUV"[((sum(&t[..7], &[8, 7, 6, 5, 4, 3, 2]) + second) % 23) as usize]
    })
}

/// Israel: identity number, 9 digits, Luhn.
pub fn israel(text: &[u8]) -> bool {
    digits(text, 9, luhn)
}

/// Iceland: kennitala, 10 digits, a date and modulus 11.
pub fn kennitala(text: &[u8]) -> bool {
    digits(text, 10, |d| {
        day(value(&d[2..4]), value(&d[..2]) % 40)
            && sum(d, &[3, 2, 7, 6, 5, 4, 3, 2, 1, 0]).is_multiple_of(11)
    })
}

/// Italy: codice fiscale, 16 places, a check letter.
pub fn codice_fiscale(text: &[u8]) -> bool {
    const ODD: [u32; 36] = [
        1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12,
        14, 16, 10, 22, 25, 24, 23,
    ];
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        let place = |b: u8| if b.is_ascii_digit() { b - b'0' } else { b - b'A' + 10 };
        t.len() == 16 && {
            let total: u32 = t[..15]
                .iter()
                .enumerate()
                .map(|(i, b)| match i % 2 {
                    0 => ODD[usize::from(place(*b))],
                    _ => u32::from(if b.is_ascii_digit() { b - b'0' } else { b - b'A' }),
                })
                .sum();
            u32::from(t[15].wrapping_sub(b'A')) == total % 26
        }
    })
}

/// Japan: individual number, 12 digits, modulus 11.
pub fn my_number(text: &[u8]) -> bool {
    digits(text, 12, |d| {
        let rest = sum(&d[..11], &[6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11;
        last(d) == if rest <= 1 { 0 } else { 11 - rest }
    })
}

/// Korea: resident registration number, 13 digits that begin with a date; numbers of before October
/// 2020 also have a check digit.
pub fn rrn(text: &[u8]) -> bool {
    digits(text, 13, |d| ymd(d) && d[6] != b'9' && d[6] != b'0')
}

/// Mexico: CURP, 18 places, a date and a check digit.
pub fn curp(text: &[u8]) -> bool {
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        t.len() == 18
            && t[4..10].iter().all(u8::is_ascii_digit)
            && ymd(&t[4..10])
            && t[17].is_ascii_digit()
            && {
                // Between N and O stands Ñ.
                let place = |b: u8| match b {
                    b'0'..=b'9' => u32::from(b - b'0'),
                    b'A'..=b'N' => u32::from(b - b'A') + 10,
                    _ => u32::from(b - b'A') + 11,
                };
                let total: u32 = t[..17].iter().zip((2..=18).rev()).map(|(b, w)| place(*b) * w).sum();
                (10 - total % 10) % 10 == u32::from(t[17] - b'0')
            }
    })
}

/// The Netherlands: BSN, 9 digits, modulus 11.
pub fn bsn(text: &[u8]) -> bool {
    digits(text, 9, |d| {
        let n = sum(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]);
        n % 11 == last(d)
    })
}

/// Norway: birth number, 11 digits, two check digits.
pub fn norway(text: &[u8]) -> bool {
    digits(text, 11, |d| {
        let one = (11 - sum(&d[..9], &[3, 7, 6, 1, 8, 9, 4, 5, 2]) % 11) % 11;
        let two = (11 - sum(&d[..10], &[5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        one == u32::from(d[9] - b'0') && two == last(d)
    })
}

/// New Zealand: IRD number, 8 or 9 digits, modulus 11 with two rounds of weights.
pub fn ird(text: &[u8]) -> bool {
    Clean::of(text).is_some_and(|c| {
        let Some(d) = c.digits(9) else { return false };
        let round = |w: &[u32]| (11 - sum(&d[..8], w) % 11) % 11;
        let one = round(&[3, 2, 7, 6, 5, 4, 3, 2]);
        let check = if one == 10 { round(&[7, 4, 3, 2, 5, 2, 7, 6]) } else { one };
        check == last(d)
    })
}

/// Poland: PESEL, 11 digits.
pub fn pesel(text: &[u8]) -> bool {
    digits(text, 11, |d| (10 - sum(&d[..10], &[1, 3, 7, 9, 1, 3, 7, 9, 1, 3]) % 10) % 10 == last(d))
}

/// Poland: NIP, 10 digits, modulus 11.
pub fn nip(text: &[u8]) -> bool {
    digits(text, 10, |d| sum(&d[..9], &[6, 5, 7, 2, 3, 4, 5, 6, 7]) % 11 == last(d))
}

/// Portugal: NIF, 9 digits, modulus 11.
pub fn portugal(text: &[u8]) -> bool {
    digits(text, 9, |d| {
        let rest = sum(&d[..8], &[9, 8, 7, 6, 5, 4, 3, 2]) % 11;
        d[0] != b'0' && last(d) == if rest < 2 { 0 } else { 11 - rest }
    })
}

/// Romania: CNP, 13 digits, modulus 11.
pub fn cnp(text: &[u8]) -> bool {
    digits(text, 13, |d| {
        let rest = sum(&d[..12], &[2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9]) % 11;
        ymd(&d[1..]) && last(d) == if rest == 10 { 1 } else { rest }
    })
}

/// Serbia and its neighbours: JMBG, 13 digits, modulus 11.
pub fn jmbg(text: &[u8]) -> bool {
    digits(text, 13, |d| {
        let check = (11 - sum(&d[..12], &[7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2]) % 11) % 11;
        day(value(&d[2..4]), value(&d[..2])) && check % 10 == last(d)
    })
}

/// Russia: INN, 10 or 12 digits.
pub fn inn(text: &[u8]) -> bool {
    let Some(c) = Clean::of(text) else { return false };
    let check = |d: &[u8], w: &[u32]| sum(d, w) % 11 % 10;
    c.digits(10).is_some_and(|d| check(&d[..9], &[2, 4, 10, 3, 5, 9, 4, 6, 8]) == last(d))
        || c.digits(12).is_some_and(|d| {
            check(&d[..10], &[7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) == u32::from(d[10] - b'0')
                && check(&d[..11], &[3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8]) == last(d)
        })
}

/// Sweden: personal identity number, 10 or 12 digits, a date and Luhn.
pub fn personnummer(text: &[u8]) -> bool {
    let Some(c) = Clean::of(text) else { return false };
    let ten = |d: &[u8]| day(value(&d[2..4]), value(&d[4..6]) % 60) && luhn(d);
    c.digits(10).is_some_and(ten) || c.digits(12).is_some_and(|d| ten(&d[2..]))
}

/// Singapore: NRIC and FIN, 7 digits and a check letter.
pub fn nric(text: &[u8]) -> bool {
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        if t.len() != 9 || !t[1..8].iter().all(u8::is_ascii_digit) {
            return false;
        }
        let n = sum(&t[1..8], &[2, 7, 6, 5, 4, 3, 2]);
        let (letters, add): (&[u8; 11], u32) = match t[0] {
            b'S' => (b"JZIHGFEDCBA", 0),
            b'T' => (b"JZIHGFEDCBA", 4),
            b'F' => (b"XWUTRQPNMLK", 0),
            b'G' => (b"XWUTRQPNMLK", 4),
            _ => return false,
        };
        t[8] == letters[((n + add) % 11) as usize]
    })
}

/// Thailand: identity number, 13 digits, modulus 11.
pub fn thailand(text: &[u8]) -> bool {
    digits(text, 13, |d| {
        let n = sum(&d[..12], &[13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
        (11 - n % 11) % 10 == last(d)
    })
}

/// Turkey: identity number, 11 digits, two check digits.
pub fn tckn(text: &[u8]) -> bool {
    digits(text, 11, |d| {
        let odd = sum(&d[..9], &[1, 0, 1, 0, 1, 0, 1, 0, 1]);
        let even = sum(&d[..8], &[0, 1, 0, 1, 0, 1, 0, 1]);
        let ten = (odd * 7 + 90 - even) % 10;
        d[0] != b'0' && ten == u32::from(d[9] - b'0') && (odd + even + ten) % 10 == last(d)
    })
}

/// Taiwan: identity number, a letter and 9 digits, modulus 10.
pub fn taiwan(text: &[u8]) -> bool {
    Clean::of(text).is_some_and(|c| {
        let t = c.text();
        if t.len() != 10 || !t[0].is_ascii_uppercase() || !t[1..].iter().all(u8::is_ascii_digit) {
            return false;
        }
        let place = b"ABCDEFGHJKLMNPQRSTUVXYWZIO".iter().position(|b| *b == t[0]).unwrap_or(0) as u32 + 10;
        let n = place / 10 + place % 10 * 9 + sum(&t[1..], &[8, 7, 6, 5, 4, 3, 2, 1, 1]);
        matches!(t[1], b'1' | b'2' | b'8' | b'9') && n.is_multiple_of(10)
    })
}

/// Ukraine: RNTRC, 10 digits, modulus 11.
pub fn rntrc(text: &[u8]) -> bool {
    digits(text, 10, |d| {
        let n: i64 =
            d[..9].iter().zip([-1i64, 5, 7, 9, 4, 6, 10, 5, 7]).map(|(d, w)| i64::from(d - b'0') * w).sum();
        n.rem_euclid(11) % 10 == i64::from(last(d))
    })
}

/// South Africa: identity number, 13 digits, a date and Luhn.
pub fn south_africa(text: &[u8]) -> bool {
    digits(text, 13, |d| ymd(d) && matches!(d[10], b'0' | b'1') && luhn(d))
}

/// United States: bank routing number, 9 digits, weights 3 7 1.
pub fn aba(text: &[u8]) -> bool {
    digits(text, 9, |d| sum(d, &[3, 7, 1, 3, 7, 1, 3, 7, 1]).is_multiple_of(10) && value(&d[..2]) <= 80)
}

/// A device's IMEI: 15 digits, Luhn.
pub fn imei(text: &[u8]) -> bool {
    digits(text, 15, luhn)
}

/// Any of the checks of numbers that are digits alone, for a text that only says "identity number".
pub fn any(text: &[u8]) -> bool {
    const ALL: [fn(&[u8]) -> bool; 41] = [
        aadhaar,
        cuit,
        australia,
        austria,
        belgium,
        egn,
        cnpj,
        sin,
        ahv,
        rut,
        china,
        czech,
        german_tax,
        cpr,
        baltic,
        dni,
        hetu,
        nir,
        amka,
        oib,
        pps,
        israel,
        kennitala,
        codice_fiscale,
        my_number,
        rrn,
        curp,
        bsn,
        norway,
        ird,
        pesel,
        nip,
        portugal,
        cnp,
        jmbg,
        inn,
        personnummer,
        nric,
        thailand,
        tckn,
        south_africa,
    ];
    ALL.iter().any(|check| check(text)) || taiwan(text) || rntrc(text)
}

#[cfg(test)]
#[path = "national_tests.rs"]
mod tests;
