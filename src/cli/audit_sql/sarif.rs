//! A report as SARIF 2.1.0 (OASIS), for code scanning.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{
    approvals::Approval,
    report::{Found, Report},
};
use crate::detect::sql::Reason;

/// What may stand in the path of a URI.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Findings, and approved statements as suppressed results.
pub(super) fn sarif(report: &Report) -> String {
    let rules: Vec<Value> = Reason::ALL
        .iter()
        .map(|reason| {
            json!({
                "id": format!("unscoped/{reason}"),
                "shortDescription": { "text": format!("Not kept to one tenant: {}", reason.message()) },
                "fullDescription": { "text": format!("The statement reads or writes rows of more than one tenant: {}.", reason.message()) },
                "help": { "text": "Ask for one tenant of each table that holds tenants' rows, or approve the statement." },
                "defaultConfiguration": { "level": "error" },
            })
        })
        .collect();
    let open = report.findings.iter().map(|(found, _)| result(report, found, None));
    let closed = report.approved.iter().map(|(found, approval)| result(report, found, Some(approval)));
    let whole = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "portcullis audit-sql",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "utf16CodeUnits",
            "results": open.chain(closed).collect::<Vec<_>>(),
        }],
    });
    format!("{whole:#}\n")
}

fn result(report: &Report, found: &Found, approval: Option<&Approval>) -> Value {
    let statement = &found.statement;
    let reason = found.missing().first().map_or(Reason::NoPredicate, |missing| missing.reason);
    let tables: Vec<String> =
        found.missing().iter().map(|m| format!("{}: {}", m.table, m.reason.message())).collect();
    let file = report.files.get(found.file).map_or("", String::as_str);
    let uri = utf8_percent_encode(file, PATH).to_string();
    let uri = if uri.starts_with('/') { format!("file://{uri}") } else { uri };
    let mut result = json!({
        "ruleId": format!("unscoped/{reason}"),
        "ruleIndex": Reason::ALL.iter().position(|r| *r == reason),
        "level": "error",
        "message": { "text": format!("{} ({} times): {}", tables.join("; "), found.count, statement.normalized) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": { "uri": uri },
            "region": { "startLine": found.line.max(1) },
        }}],
        "partialFingerprints": { "portcullisStatement/v1": format!("{:016x}", statement.fingerprint) },
        "occurrenceCount": found.count.max(1),
    });
    if let Some(approval) = approval {
        let text = format!("{} (until {}): {}", approval.owner, approval.expires, approval.reason);
        result["suppressions"] = json!([{ "kind": "external", "status": "accepted", "justification": text }]);
    }
    result
}
