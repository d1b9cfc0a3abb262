//! Who a client certificate says it is: `sha256:<hex of the whole certificate>`, and behind a space its subject
//! as RFC 4514 writes it (`CN=checkout,O=Example`), where that can be read. The certificate has been verified before.

use std::fmt::Write;

use aws_lc_rs::digest;

use crate::limits;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// What RFC 4514 (section 3) has names for.
const NAMES: [(&[u8], &str); 9] = [
    (&[0x55, 0x04, 0x03], "CN"),
    (&[0x55, 0x04, 0x07], "L"),
    (&[0x55, 0x04, 0x08], "ST"),
    (&[0x55, 0x04, 0x0a], "O"),
    (&[0x55, 0x04, 0x0b], "OU"),
    (&[0x55, 0x04, 0x06], "C"),
    (&[0x55, 0x04, 0x09], "STREET"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], "UID"),
];

/// Fingerprint first, so that no name can imitate one.
pub(super) fn describe(certificate: &[u8]) -> String {
    let mut text = String::from("sha256:");
    hex(&mut text, digest::digest(&digest::SHA256, certificate).as_ref());
    if let Some(name) = subject(certificate).filter(|name| name.len() <= limits::PEER_SUBJECT_BYTES) {
        text.push(' ');
        text.push_str(&name);
    }
    text
}

fn hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
}

/// The subject, the most particular part first; none where it is empty or has a part without a known name or in
/// no text form: such a one is known by its fingerprint alone.
fn subject(certificate: &[u8]) -> Option<String> {
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&EXPLICIT_VERSION) {
        fields = element(fields)?.2;
    }
    // serialNumber, signature, issuer, validity
    for _ in 0..4 {
        fields = element(fields)?.2;
    }
    let (tag, mut names, _) = element(fields)?;
    if tag != SEQUENCE || names.is_empty() {
        return None;
    }
    let mut parts = Vec::new();
    while !names.is_empty() {
        let (tag, mut set, rest) = element(names)?;
        names = rest;
        if tag != SET {
            return None;
        }
        let mut part = String::new();
        while !set.is_empty() {
            let (_, pair, rest) = element(set)?;
            set = rest;
            let (kind, oid, value) = element(pair)?;
            let name = NAMES.iter().find(|(known, _)| kind == OID && *known == oid)?.1;
            let (kind, value, _) = element(value)?;
            let value = std::str::from_utf8(value).ok().filter(|_| TEXTS.contains(&kind))?;
            if !part.is_empty() {
                part.push('+');
            }
            part.push_str(name);
            part.push('=');
            escape(&mut part, value);
        }
        parts.push(part);
    }
    parts.reverse();
    Some(parts.join(","))
}

/// RFC 4514, section 2.4: what has a meaning in the text of a name is escaped, so that no value passes for
/// several.
fn escape(out: &mut String, value: &str) {
    let last = value.chars().count().saturating_sub(1);
    for (at, c) in value.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => out.extend(['\\', c]),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            '#' if at == 0 => out.push_str("\\#"),
            c if c.is_control() => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:02x}");
                }
            }
            c => out.push(c),
        }
    }
}

/// One DER element: its tag, its content, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let (digits, after) = rest.split_at_checked(count)?;
        rest = after;
        digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit))
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn certificate(name: &[(rcgen::DnType, &str)]) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, value) in name {
            params.distinguished_name.push(kind.clone(), *value);
        }
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    /// Scenario: certificates with names of several parts, with values that look like several parts, with a part
    /// of no known kind, with none. Guarantee: fingerprint, then the subject as RFC 4514 has it, which no value can
    /// imitate; the fingerprint alone where it cannot be told.
    #[test]
    fn a_subject_is_fingerprint_and_name() {
        use rcgen::DnType::{self, CommonName, CountryName, OrganizationName};
        let shown = |name: &[(DnType, &str)]| {
            let text = describe(&certificate(name));
            let (print, rest) = text.split_once(' ').unwrap_or((&text, ""));
            assert!(print.starts_with("sha256:") && print.len() == 7 + 64, "{text}");
            rest.to_owned()
        };
        let whole = [(CountryName, "DE"), (OrganizationName, "Example"), (CommonName, "acme-gateway")];
        assert_eq!(shown(&whole), "CN=acme-gateway,O=Example,C=DE");
        assert_eq!(
            shown(&[(CommonName, "a,O=Acme + \\\"<#>; ")]),
            "CN=a\\,O\\=Acme \\+ \\\\\\\"\\<#\\>\\;\\ "
        );
        assert_eq!(shown(&[(CommonName, " #é\n")]), "CN=\\ #é\\0a");
        assert_eq!(shown(&[(CommonName, "a"), (DnType::CustomDnType(vec![1, 2, 3]), "b")]), "");
        assert_eq!(shown(&[]), "");
        assert_eq!(shown(&[(CommonName, &"x".repeat(limits::PEER_SUBJECT_BYTES))]), "");
    }

    proptest! {
        /// Scenario: a certificate cut or changed anywhere. Guarantee: no panic.
        #[test]
        fn damage_never_panics(at in 0usize..600, byte: u8, cut in 0usize..600) {
            let mut der = vec![0x30, 0x82, 0x01, 0x00, 0x30, 0x81, 0xf0, 0xa0, 3, 2, 1, 2];
            der.resize(600, 0x30);
            der[at] = byte;
            der.truncate(cut.max(1));
            let _ = describe(&der);
        }
    }
}
