//! `quarantine show`.

use super::{ShowArgs, open, say_unread};
use crate::{
    cli::{self, Code, Failure, say},
    limits,
};

/// Shows the items on stdout; what is left out, and why, on stderr.
pub(super) fn show(args: &ShowArgs) -> Result<Code, Failure> {
    if args.limit > limits::QUARANTINE_SHOWN {
        let text = format!("--limit {}: expected at most {}", args.limit, limits::QUARANTINE_SHOWN);
        return Err(Failure::usage(text));
    }
    let Some(store) = open(&args.config)? else {
        say("the quarantine is empty");
        return Ok(Code::Ok);
    };
    let failed = |error: std::io::Error| Failure::io("the quarantine", &error);
    let mut items = store.iter(args.which.filter()).map_err(failed)?;
    let mut shown = 0;
    let more = loop {
        let Some(item) = items.next().transpose().map_err(failed)? else { break false };
        if shown == args.limit {
            break true;
        }
        cli::show(&format!("{}\n", item.to_json()))?;
        shown += 1;
    };
    if more {
        say(&format!("there are more than {}; give a larger --limit", args.limit));
    }
    say_unread(items.unread());
    Ok(if items.unread().batches() == 0 { Code::Ok } else { Code::Failed })
}
