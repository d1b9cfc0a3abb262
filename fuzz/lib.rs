//! What the targets share: the signal of an input, and prost as the oracle.

use opentelemetry_proto::tonic::collector::{
    logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
    trace::v1::ExportTraceServiceRequest,
};
use portcullis::batch::Signal;
use prost::Message;

/// The first byte chooses the signal ("0", "1", "2" as text), the rest is the input.
pub fn signal(data: &[u8]) -> Option<(Signal, &[u8])> {
    let (&first, rest) = data.split_first()?;
    Some((Signal::ALL[usize::from(first) % 3], rest))
}

/// What prost writes after reading `bytes`; `None` where it refuses them.
pub fn prost(signal: Signal, bytes: &[u8]) -> Option<Vec<u8>> {
    Some(match signal {
        Signal::Logs => ExportLogsServiceRequest::decode(bytes).ok()?.encode_to_vec(),
        Signal::Traces => ExportTraceServiceRequest::decode(bytes).ok()?.encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(bytes).ok()?.encode_to_vec(),
    })
}
