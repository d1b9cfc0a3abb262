//! Reads a body under three bounds: its size, the gate's in-flight bytes, and the decompressed size.
//! Bytes are reserved before they are read, and what is refused is not read.

use std::{
    io::{self, Read},
    sync::Arc,
    time::Duration,
};

use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::{reply::Failure, status::Code};
use crate::{
    gateway::{Intake, Permit},
    limits,
    receipt::Refusal,
};

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// From the words of `content-encoding` or `grpc-encoding`.
    pub fn named(name: &str) -> Option<Self> {
        let is = |word: &str| name.trim().eq_ignore_ascii_case(word);
        if is("identity") || is("") {
            Some(Compression::None)
        } else if is("gzip") || is("x-gzip") {
            Some(Compression::Gzip)
        } else if is("zstd") {
            Some(Compression::Zstd)
        } else {
            None
        }
    }
}

/// Bytes with their share of the budget.
#[derive(Debug)]
pub(crate) struct Held {
    pub bytes: Bytes,
    pub permit: Permit,
}

/// A buffer that asks the budget before it grows, up to `limit`.
struct Buffer<'a> {
    bytes: Vec<u8>,
    reserved: usize,
    limit: usize,
    permit: Permit,
    intake: &'a dyn Intake,
}

impl<'a> Buffer<'a> {
    fn new(limit: usize, permit: Permit, reserved: usize, intake: &'a dyn Intake) -> Self {
        Buffer { bytes: Vec::new(), reserved, limit, permit, intake }
    }

    /// Room for `more` bytes: the budget first, then memory.
    fn make_room(&mut self, more: usize) -> Result<(), Refusal> {
        let needed = self.bytes.len().saturating_add(more);
        if needed > self.limit {
            return Err(too_large(self.limit));
        }
        if needed > self.reserved {
            let target = (self.reserved * 2).max(limits::BODY_STEP_BYTES).max(needed).min(self.limit);
            self.permit.grow(self.intake, target - self.reserved)?;
            self.reserved = target;
        }
        if needed > self.bytes.capacity() {
            self.bytes.reserve_exact(self.reserved - self.bytes.len());
        }
        Ok(())
    }
}

/// The refusal for a message over `limit` bytes.
pub(crate) fn too_large(limit: usize) -> Refusal {
    Refusal::TooLarge(format!("the request is over the limit of {limit} bytes; send smaller batches"))
}

fn broken_off(_: hyper::Error) -> Failure {
    Failure::broken("the body broke off before its end")
}

/// Reads a plain HTTP body. `declared` is its Content-Length.
pub(crate) async fn read_whole(
    body: &mut Incoming,
    declared: Option<u64>,
    limit: usize,
    intake: &dyn Intake,
) -> Result<Held, Failure> {
    let declared = declared.map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    if declared.is_some_and(|length| length > limit) {
        return Err(too_large(limit).into());
    }
    let reserved = declared.unwrap_or(0);
    let mut buffer = Buffer::new(limit, intake.reserve(reserved)?, reserved, intake);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(broken_off)?.into_data() else { continue };
        if buffer.bytes.is_empty() && declared == Some(data.len()) {
            // The whole body in one piece: no copy.
            return Ok(Held { bytes: data, permit: buffer.permit });
        }
        buffer.make_room(data.len())?;
        buffer.bytes.extend_from_slice(&data);
    }
    Ok(Held { bytes: buffer.bytes.into(), permit: buffer.permit })
}

/// Reads the one length-prefixed message of a unary gRPC request: compressed or not, and its bytes.
pub(crate) async fn read_framed(
    body: &mut Incoming,
    limit: usize,
    intake: &dyn Intake,
) -> Result<(bool, Held), Failure> {
    let mut prefix = [0; 5];
    let mut have = 0;
    let mut message: Option<(Buffer<'_>, usize)> = None;
    let mut whole = None;
    while let Some(frame) = body.frame().await {
        let Ok(mut data) = frame.map_err(broken_off)?.into_data() else { continue };
        while have < prefix.len() && data.has_remaining() {
            prefix[have] = data.get_u8();
            have += 1;
        }
        if have == prefix.len() && message.is_none() {
            if prefix[0] > 1 {
                return Err(Failure::broken("the compressed flag of a gRPC message is 0 or 1"));
            }
            let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
            if length > limit {
                return Err(too_large(limit).into());
            }
            let buffer = Buffer::new(limit, intake.reserve(length)?, length, intake);
            message = Some((buffer, length));
        }
        let Some((buffer, length)) = &mut message else { continue };
        let missing = *length - whole.as_ref().map_or(buffer.bytes.len(), Bytes::len);
        if data.len() > missing {
            return Err(Failure::broken("a unary request has one message; there was more"));
        }
        if data.is_empty() {
            continue;
        }
        if buffer.bytes.is_empty() && data.len() == *length {
            whole = Some(data);
        } else {
            buffer.make_room(data.len())?;
            buffer.bytes.extend_from_slice(&data);
        }
    }
    let Some((buffer, length)) = message else {
        return Err(Failure::broken("a unary request has one message; there was none"));
    };
    let bytes = whole.unwrap_or_else(|| buffer.bytes.into());
    if bytes.len() < length {
        return Err(Failure::broken("the gRPC message ended before its length"));
    }
    Ok((prefix[0] == 1, Held { bytes, permit: buffer.permit }))
}

/// Reads and throws away what is left, within bounds, so that a client that sends before it listens
/// gets its answer and keeps its HTTP/1.1 connection.
pub(crate) async fn discard(body: &mut Incoming) {
    let drain = async {
        let mut seen = 0;
        while let Some(Ok(frame)) = body.frame().await {
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > limits::DISCARD_BYTES {
                break;
            }
        }
    };
    // Past this the connection is closed by hyper, as it cannot be used again.
    let _ = tokio::time::timeout(Duration::from_secs(2), drain).await;
}

/// Compressed bodies above this go to the blocking pool, in bytes.
const INLINE_BYTES: usize = 8 * 1024;

/// Decompresses under the same limit. The compressed bytes are given back when it is done.
pub(crate) async fn decompress(
    compression: Compression,
    held: Held,
    limit: usize,
    intake: &Arc<dyn Intake>,
) -> Result<Held, Failure> {
    if compression == Compression::None || held.bytes.is_empty() {
        return Ok(held);
    }
    if held.bytes.len() <= INLINE_BYTES {
        return Ok(inflate(compression, held, limit, intake.as_ref())?);
    }
    let intake = Arc::clone(intake);
    tokio::task::spawn_blocking(move || inflate(compression, held, limit, intake.as_ref()))
        .await
        .map_err(|_| {
            Failure::new(
                Code::Unavailable,
                http::StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "decompression was stopped",
            )
        })?
        .map_err(Failure::from)
}

fn inflate(compression: Compression, held: Held, limit: usize, intake: &dyn Intake) -> Result<Held, Refusal> {
    let Held { bytes: input, permit } = held;
    let source: &[u8] = &input;
    let mut reader: Box<dyn Read + '_> = match compression {
        Compression::None => Box::new(source),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(source)),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(source).map_err(bad_zstd)?;
            // A frame's header can ask for any window; this bounds what it makes us allocate.
            decoder.window_log_max(limits::ZSTD_WINDOW_LOG).map_err(bad_zstd)?;
            Box::new(decoder)
        }
    };
    let mut buffer = Buffer::new(limit, permit, 0, intake);
    let mut piece = [0; 16 * 1024];
    loop {
        let count = reader.read(&mut piece).map_err(|_| {
            Refusal::BadData(match compression {
                Compression::Zstd => "the body is not valid zstd (or its window is over 8 MiB)".into(),
                _ => "the body is not valid gzip".into(),
            })
        })?;
        if count == 0 {
            break;
        }
        buffer.make_room(count)?;
        buffer.bytes.extend_from_slice(&piece[..count]);
    }
    drop(reader);
    drop(input);
    let Buffer { bytes, reserved, mut permit, .. } = buffer;
    permit.shrink_to(reserved);
    Ok(Held { bytes: bytes.into(), permit })
}

fn bad_zstd(_: io::Error) -> Refusal {
    Refusal::Unavailable {
        message: "the zstd decoder did not start; send again".into(),
        retry_after: Duration::from_secs(1),
    }
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;
