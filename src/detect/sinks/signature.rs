//! The signature of a webhook's requests.

use aws_lc_rs::hmac;

/// The header.
pub const HEADER: &str = "portcullis-signature";

/// Signs bodies.
#[derive(Clone)]
pub struct Signer(hmac::Key);

impl Signer {
    /// With this secret.
    pub fn new(secret: &str) -> Signer {
        Signer(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// The header's value: `t=SECONDS,v1=HEX`, the HMAC-SHA256 of `SECONDS.BODY`; seconds since the epoch.
    pub fn sign(&self, seconds: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{seconds}.").as_bytes());
        context.update(body);
        let sum: String = context.sign().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("t={seconds},v1={sum}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a body, and the sum that `printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac key` says.
    /// Guarantee: the same; another time or body, another one.
    #[test]
    fn it_is_what_openssl_says() {
        let signer = Signer::new("key");
        let signed = signer.sign(1_700_000_000, br#"{"a":1}"#);
        assert_eq!(
            signed,
            "t=1700000000,v1=a438e398bfafc57e4396bb7fc2304422f0f768e965d073ca313cb52e22e6ad03"
        );
        assert_ne!(signed[13..], signer.sign(1_700_000_001, br#"{"a":1}"#)[13..]);
        assert_ne!(signed, signer.sign(1_700_000_000, br#"{"a":2}"#));
    }
}
