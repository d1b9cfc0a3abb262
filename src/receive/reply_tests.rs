use proptest::prelude::*;
use prost::Message;

use super::*;

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

#[derive(Clone, PartialEq, Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Scenario: any status. Guarantee: prost reads the same code, words and delay.
    #[test]
    fn a_status_matches_prost(message in ".{0,80}", delay in proptest::option::of((0u64..1 << 40, 0u32..1_000_000_000))) {
        let delay = delay.map(|(s, n)| Duration::new(s, n));
        let bytes = status::encode(Code::ResourceExhausted, &message, delay);
        let read = Status::decode(bytes.as_slice()).unwrap();
        prop_assert_eq!((read.code, read.message.as_str()), (8, message.as_str()));
        prop_assert_eq!(read.encode_to_vec(), bytes);
        let info = read.details.first().map(|any| {
            assert_eq!(any.type_url, "type.googleapis.com/google.rpc.RetryInfo");
            RetryInfo::decode(any.value.as_slice()).unwrap().retry_delay.unwrap_or_default()
        });
        prop_assert_eq!(info, delay.map(|d| prost_types::Duration { seconds: d.as_secs() as i64, nanos: d.subsec_nanos() as i32 }));
        let json: serde_json::Value = serde_json::from_slice(&status::to_json(Code::ResourceExhausted, &message, delay)).unwrap();
        prop_assert_eq!(json["message"].as_str(), Some(message.as_str()));
        prop_assert_eq!(json.get("details").is_some(), delay.is_some());
    }

    /// Scenario: any partial success. Guarantee: prost reads it, and nothing at all is written for a full one.
    #[test]
    fn a_response_matches_prost(rejected in 0u64..1 << 60, message in ".{0,40}") {
        let accepted = Accepted { rejected, message: message.clone() };
        let read = ExportResponse::decode(status::response(&accepted).as_slice()).unwrap();
        if rejected == 0 && message.is_empty() {
            prop_assert_eq!(read.partial_success, None);
        } else {
            prop_assert_eq!(read.partial_success, Some(PartialSuccess { rejected: rejected as i64, error_message: message }));
        }
    }

    /// Scenario: any base delay. Guarantee: jitter never shortens it, and adds at most half.
    #[test]
    fn jitter_stays_in_its_bounds(ms in 0u64..10_000_000) {
        let base = Duration::from_millis(ms);
        let with = jitter(base);
        prop_assert!(with >= base && with <= base + base / 2 + Duration::from_micros(1));
    }
}

/// Scenario: every refusal in both protocols. Guarantee: the codes that the specification names, and RetryInfo
/// or Retry-After exactly on those that may be sent again.
#[test]
fn refusals_have_the_specified_codes() {
    let retry_after = Duration::from_secs(2);
    let all = [
        (Refusal::BadData("m".into()), "3", 400),
        (Refusal::Unauthenticated("m".into()), "16", 401),
        (Refusal::PermissionDenied("m".into()), "7", 403),
        (Refusal::TooLarge("m".into()), "8", 413),
        (Refusal::Throttled { message: "m".into(), retry_after }, "8", 429),
        (Refusal::Unavailable { message: "m".into(), retry_after }, "14", 503),
    ];
    for (refusal, code, http) in all {
        let retryable = refusal.retryable();
        let failure = Failure::from(refusal);
        let grpc = grpc_failure(&failure);
        assert_eq!(grpc.headers()["grpc-status"], code);
        let details = STANDARD_NO_PAD.decode(&grpc.headers()["grpc-status-details-bin"]).unwrap();
        assert_eq!(!Status::decode(details.as_slice()).unwrap().details.is_empty(), retryable);
        let response = http_failure(Encoding::Json, &failure);
        assert_eq!(response.status().as_u16(), http);
        assert_eq!(response.headers().contains_key("retry-after"), retryable);
    }
}

/// Scenario: a message with line breaks, a percent sign and letters beyond ASCII, far too long.
/// Guarantee: a valid header, cut at a character.
#[test]
fn messages_fit_in_a_header() {
    let failure = Failure::from(Refusal::BadData(format!("50%\n{}", "é".repeat(5000))));
    let response = grpc_failure(&failure);
    let text = response.headers()["grpc-message"].to_str().unwrap();
    assert!(text.starts_with("50%25%0A%C3%A9"), "{text}");
    assert!(text.len() < 4 * limits::REPLY_MESSAGE_BYTES);
}
