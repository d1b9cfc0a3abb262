//! A report for people, and as JSON.

use std::fmt::Write;

use serde_json::{Value, json};

use super::{
    approvals::Approval,
    report::{Found, Report},
};

/// The last line of a report.
pub(super) fn summary(report: &Report) -> String {
    let totals = &report.totals;
    let sum = |count: &mut dyn Iterator<Item = &Found>| count.map(|found| found.count).sum::<u64>();
    let mut text = format!(
        "{} statements: {} scoped, {} without rows of tenants, {} unscoped ({} by primary key, {} approved{}), {} not judged",
        totals.statements,
        totals.scoped,
        totals.not_owned,
        totals.unscoped,
        sum(&mut report.by_key.iter()),
        sum(&mut report.approved.iter().map(|(found, _)| found)),
        match sum(&mut report.by_rls.iter()) {
            0 => String::new(),
            count => format!(", {count} left to row level security"),
        },
        totals.unread,
    );
    if totals.odd > 0 {
        let _ = write!(text, ", {} records are none of the format", totals.odd);
    }
    if totals.not_kept > 0 {
        let _ = write!(text, ", {} unscoped beyond the statements that are kept apart", totals.not_kept);
    }
    text
}

/// For people.
pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    let mut part = |title: &str, list: &mut dyn Iterator<Item = (&Found, Option<&Approval>)>| {
        let holds = title == "approved";
        let list: Vec<_> = list.collect();
        if list.is_empty() {
            return;
        }
        let _ = writeln!(out, "{title}: {}", list.len());
        for (found, approval) in list {
            one(&mut out, report, found, approval, holds);
        }
        out.push('\n');
    };
    part("unscoped", &mut report.findings.iter().map(|(found, approval)| (found, approval.as_ref())));
    part("left to row level security", &mut report.by_rls.iter().map(|found| (found, None)));
    part("by primary key alone", &mut report.by_key.iter().map(|found| (found, None)));
    part("approved", &mut report.approved.iter().map(|(found, approval)| (found, Some(approval))));
    part("not judged", &mut report.unread.iter().map(|found| (found, None)));
    out.push_str(&summary(report));
    out.push('\n');
    out
}

fn one(out: &mut String, report: &Report, found: &Found, approval: Option<&Approval>, holds: bool) {
    let statement = &found.statement;
    let _ = writeln!(
        out,
        "  {:016x}  {} times, first at {}",
        statement.fingerprint,
        found.count,
        report.place(found)
    );
    let who = [("user", &found.user), ("application", &found.application)];
    let who: Vec<String> = who
        .iter()
        .filter(|(_, name)| !name.is_empty())
        .map(|(what, name)| format!("{what} {name}"))
        .collect();
    if !who.is_empty() {
        let _ = writeln!(out, "    by {}", who.join(", "));
    }
    let _ = writeln!(out, "    {}", statement.normalized);
    for missing in found.missing() {
        let _ = write!(out, "    {}: {}: {}", missing.table, missing.reason, missing.reason.message());
        if !missing.predicate.is_empty() {
            let _ = write!(out, "; missing: {}", missing.predicate);
        }
        out.push_str(if missing.rls { "; it has row level security\n" } else { "\n" });
    }
    if let Some(approval) = approval {
        let (owner, reason, until) = (&approval.owner, &approval.reason, approval.expires);
        let _ = match holds {
            true => writeln!(out, "    approved by {owner} until {until}: {reason}"),
            false => writeln!(
                out,
                "    the approval by {owner} is over since {until} ({reason}): approve it anew, or mend it"
            ),
        };
    }
}

/// As JSON.
pub(super) fn json(report: &Report) -> String {
    let one = |found: &Found, approval: Option<&Approval>| -> Value {
        let statement = &found.statement;
        let missing: Vec<Value> = found
            .missing()
            .iter()
            .map(|missing| {
                json!({
                    "table": &*missing.table,
                    "alias": &*missing.alias,
                    "reason": missing.reason.as_str(),
                    "predicate": &*missing.predicate,
                    "by_key": missing.by_key,
                    "rls": missing.rls,
                })
            })
            .collect();
        let mut value = json!({
            "fingerprint": format!("{:016x}", statement.fingerprint),
            "statement": &*statement.normalized,
            "verb": statement.verb.as_str(),
            "count": found.count,
            "first": report.place(found),
            "user": found.user,
            "application": found.application,
            "by_primary_key": statement.by_primary_key,
            "rls": statement.rls,
            "missing": missing,
        });
        if let Some(approval) = approval {
            value["approval"] = json!({
                "owner": approval.owner,
                "reason": approval.reason,
                "expires": approval.expires.to_string(),
            });
        }
        value
    };
    let totals = &report.totals;
    let whole = json!({
        "summary": {
            "statements": totals.statements,
            "scoped": totals.scoped,
            "not_owned": totals.not_owned,
            "unscoped": totals.unscoped,
            "not_judged": totals.unread,
            "odd_records": totals.odd,
            "not_kept": totals.not_kept,
        },
        "findings": report.findings.iter().map(|(f, a)| one(f, a.as_ref())).collect::<Vec<_>>(),
        "rls": report.by_rls.iter().map(|f| one(f, None)).collect::<Vec<_>>(),
        "by_key": report.by_key.iter().map(|f| one(f, None)).collect::<Vec<_>>(),
        "approved": report.approved.iter().map(|(f, a)| one(f, Some(a))).collect::<Vec<_>>(),
        "not_judged": report.unread.iter().map(|f| one(f, None)).collect::<Vec<_>>(),
    });
    format!("{whole:#}\n")
}
