//! One durable record: a header of 64 bytes, then the payload.
//!
//! ```text
//!  0 magic "PCR1"     4 length u32     8 crc32c of the payload u32
//! 12 sequence u64    20 tenant [16]   36 time u64 (unix nanoseconds)
//! 44 items u32       48 epoch u32     52 signal u8   53 reason u8
//! 54 note u48        60 crc32c of salt + bytes 0..60, u32
//! ```
//! Little endian. The header has a check of its own so that it can be trusted without reading the
//! payload, and so that a damaged payload still has a known length. The salt is drawn for each
//! segment: bytes inside a payload cannot pass for a header of another tenant.

use bytes::Bytes;
use uuid::Uuid;

use crate::{
    batch::{Batch, Clean, Signal, TenantId},
    limits,
};

/// Length of a header, in bytes.
pub const HEADER_BYTES: usize = 64;
/// What a header begins with.
pub const MAGIC: [u8; 4] = *b"PCR1";

/// The reason of a mark: a record whose data is being destroyed. The tenant still stands in it, so that whoever
/// goes on after a crash finds it.
pub const ERASING: u8 = 254;
/// The reason of a mark: a record that was destroyed. It tells of nothing but its length.
pub const ERASED: u8 = 255;

/// What is known of a record without its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Position in the order of acceptance; never used twice.
    pub sequence: u64,
    /// Whose data it is.
    pub tenant: TenantId,
    /// Which request the payload is.
    pub signal: Signal,
    /// In the quarantine: why it was rejected. In the journal: 0 for data; anything else is a mark, which no
    /// destination is given.
    pub reason: u8,
    /// For whoever counts, 48 bits: of data an [`Accounting`](super::Accounting). In the quarantine 0.
    pub note: u64,
    /// Items in the payload.
    pub items: u32,
    /// The policy it was held against.
    pub epoch: u32,
    /// When it was accepted, in unix nanoseconds.
    pub time_unix_nano: u64,
    /// Length of the payload, in bytes.
    pub length: u32,
    /// crc32c of the payload.
    pub checksum: u32,
}

impl Header {
    /// The header of a batch.
    pub fn of(batch: &Batch<Clean>, sequence: u64, epoch: u32, reason: u8, time_unix_nano: u64) -> Self {
        Header {
            sequence,
            tenant: batch.tenant,
            signal: batch.signal,
            reason,
            note: 0,
            items: batch.items,
            epoch,
            time_unix_nano,
            length: batch.bytes.len() as u32,
            checksum: crc32c::crc32c(&batch.bytes),
        }
    }

    /// In the journal: whether it is data for destinations, not a mark.
    pub fn is_data(&self) -> bool {
        self.reason == 0
    }

    /// Length of header and payload, in bytes.
    pub fn record_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + u64::from(self.length)
    }

    /// The bytes of the header.
    pub fn encode(&self, salt: u32) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        out[0..4].copy_from_slice(&MAGIC);
        out[4..8].copy_from_slice(&self.length.to_le_bytes());
        out[8..12].copy_from_slice(&self.checksum.to_le_bytes());
        out[12..20].copy_from_slice(&self.sequence.to_le_bytes());
        out[20..36].copy_from_slice(self.tenant.0.as_bytes());
        out[36..44].copy_from_slice(&self.time_unix_nano.to_le_bytes());
        out[44..48].copy_from_slice(&self.items.to_le_bytes());
        out[48..52].copy_from_slice(&self.epoch.to_le_bytes());
        out[52] = self.signal.code();
        out[53] = self.reason;
        out[54..60].copy_from_slice(&self.note.to_le_bytes()[..6]);
        let check = crc32c::crc32c_append(salt, &out[..60]);
        out[60..].copy_from_slice(&check.to_le_bytes());
        out
    }

    /// Reads a header; none where anything in it is wrong.
    pub fn decode(bytes: &[u8], salt: u32) -> Option<Header> {
        let bytes: &[u8; HEADER_BYTES] = bytes.first_chunk()?;
        let u32_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let length = u32_at(4);
        if bytes[..4] != MAGIC
            || length as usize > limits::RECORD_BYTES
            || crc32c::crc32c_append(salt, &bytes[..60]) != u32_at(60)
        {
            return None;
        }
        Some(Header {
            sequence: u64_at(12),
            tenant: TenantId(Uuid::from_slice(&bytes[20..36]).ok()?),
            signal: Signal::from_code(bytes[52])?,
            reason: bytes[53],
            note: u64_at(52) >> 16,
            items: u32_at(44),
            epoch: u32_at(48),
            time_unix_nano: u64_at(36),
            length,
            checksum: u32_at(8),
        })
    }

    /// Whether the payload is what was written.
    pub fn holds(&self, payload: &[u8]) -> bool {
        payload.len() == self.length as usize && crc32c::crc32c(payload) == self.checksum
    }

    /// The batch, where the payload is what was written.
    pub fn batch(&self, payload: Bytes) -> Option<Batch<Clean>> {
        self.holds(&payload).then(|| Batch::clean(self.signal, self.tenant, self.items, payload))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::buffer::note::NOTE_BITS;

    proptest! {
        /// Scenario: any header, any one bit flipped, any other salt. Guarantee: the true one reads
        /// back as it was; the others are refused.
        #[test]
        fn a_header_reads_back_or_is_refused(
            sequence: u64, tenant: u128, items: u32, epoch: u32, time_unix_nano: u64, checksum: u32,
            reason: u8, note in 0u64..1 << NOTE_BITS, salt: u32, signal in 0u8..3, length in 0..limits::RECORD_BYTES as u32,
            bit in 0usize..HEADER_BYTES * 8, other in 1u32..,
        ) {
            let header = Header {
                sequence, tenant: TenantId(Uuid::from_u128(tenant)), signal: Signal::from_code(signal).unwrap(),
                reason, note, items, epoch, time_unix_nano, length, checksum,
            };
            let mut bytes = header.encode(salt);
            prop_assert_eq!(Header::decode(&bytes, salt), Some(header));
            prop_assert_eq!(Header::decode(&bytes, salt ^ other), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Header::decode(&bytes, salt), None);
        }

        /// Scenario: arbitrary bytes. Guarantee: no panic, and no header out of noise.
        #[test]
        fn noise_is_no_header(bytes in prop::collection::vec(any::<u8>(), 0..200), salt: u32) {
            prop_assert_eq!(Header::decode(&bytes, salt), None);
        }
    }
}
