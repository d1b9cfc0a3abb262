//! Who a client certificate says it is: `sha256:<hex of the whole certificate>`, and ` CN=<name>`
//! where its subject has exactly one common name in a text form. The certificate has been verified before.

use aws_lc_rs::digest;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const EXPLICIT_VERSION: u8 = 0xa0;
/// UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3, commonName.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// Fingerprint first, so that no name can imitate one.
pub(super) fn describe(certificate: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in digest::digest(&digest::SHA256, certificate).as_ref() {
        text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
    }
    if let Some(name) = common_name(certificate) {
        text.push_str(" CN=");
        text.push_str(name);
    }
    text
}

/// The one common name of the subject; none where there are several.
fn common_name(certificate: &[u8]) -> Option<&str> {
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
    if tag != SEQUENCE {
        return None;
    }
    let mut found = None;
    while !names.is_empty() {
        let (tag, mut set, rest) = element(names)?;
        names = rest;
        if tag != SET {
            return None;
        }
        while !set.is_empty() {
            let (_, pair, rest) = element(set)?;
            set = rest;
            let (kind, oid, value) = element(pair)?;
            if kind != OID || oid != COMMON_NAME {
                continue;
            }
            let (kind, text, _) = element(value)?;
            if found.is_some() || !TEXTS.contains(&kind) {
                return None;
            }
            found = Some(std::str::from_utf8(text).ok().filter(|t| !t.chars().any(char::is_control))?);
        }
    }
    found
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

    fn certificate(name: &str) -> Vec<u8> {
        let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::OrganizationName, "Example");
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    /// Scenario: a certificate with an organisation and a common name. Guarantee: fingerprint, then that name.
    #[test]
    fn a_subject_is_fingerprint_and_name() {
        let text = describe(&certificate("acme-gateway"));
        assert!(text.starts_with("sha256:") && text.ends_with(" CN=acme-gateway"), "{text}");
        assert_eq!(text.split(' ').next().unwrap().len(), 7 + 64);
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
