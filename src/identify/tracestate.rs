//! The tenant in a W3C `tracestate` (<https://www.w3.org/TR/trace-context/#tracestate-header>), as spans and their
//! links carry it. Every service that a request went through passes it on: it is looked at last.

use super::{Declared, Level};
use crate::wire::view::Item;

/// What a span declares under these member keys, in order of precedence: in its own `tracestate`, or where that has
/// none of them in those of its links. Log records and data points have none in the protocol.
pub fn declared<'a>(item: &Item<'a>, keys: &[String]) -> Vec<Declared<'a>> {
    let own = of(item.trace_states(), keys);
    if own.is_empty() { of(item.link_trace_states(), keys) } else { own }
}

fn of<'a>(states: impl Iterator<Item = &'a str>, keys: &[String]) -> Vec<Declared<'a>> {
    let members = states.flat_map(|state| state.split(','));
    members
        .filter_map(|member| {
            let (key, text) = member.trim_matches([' ', '\t']).split_once('=')?;
            let rank = keys.iter().position(|wanted| wanted == key)?;
            Some(Declared { level: Level::TraceState, rank: rank.min(usize::from(u8::MAX)) as u8, text })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::Signal,
        wire::{put, view},
    };

    fn spans(fields: &[(u32, &str)], links: &[&str]) -> Vec<u8> {
        let mut span = Vec::new();
        fields.iter().for_each(|(number, text)| put::bytes(&mut span, *number, text.as_bytes()));
        for state in links {
            let mut link = Vec::new();
            put::bytes(&mut link, 3, state.as_bytes());
            put::bytes(&mut span, 13, &link);
        }
        [2, 2, 1].iter().fold(span, |inner, number| {
            let mut outer = Vec::new();
            put::bytes(&mut outer, *number, &inner);
            outer
        })
    }

    fn read(bytes: &[u8], keys: &[&str]) -> Vec<(u8, String)> {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        let items = view::groups(Signal::Traces, bytes).flat_map(|group| group.items().collect::<Vec<_>>());
        items.flat_map(|item| declared(&item, &keys)).map(|found| (found.rank, found.text.into())).collect()
    }

    /// Scenario: states as libraries write them, in a span, in its links, in both, twice, and broken ones.
    /// Guarantee: each member that is asked for is read with its rank; links count only where the span has none;
    /// a key is the whole key; broken states are nothing.
    #[test]
    fn members_are_read_by_their_keys() {
        let keys = ["tenant", "org@acme"];
        let state = "rojo=00f067aa0ba902b7, org@acme=b ,\ttenant=a=b";
        assert_eq!(read(&spans(&[(3, state)], &["tenant=z"]), &keys), [(1, "b".into()), (0, "a=b".into())]);
        assert_eq!(read(&spans(&[(3, "rojo=1")], &["tenant=z", "x=1"]), &keys), [(0, "z".into())]);
        assert_eq!(read(&spans(&[(3, "tenant=a"), (3, "tenant=b")], &[]), &keys).len(), 2);
        for state in ["", ",,=", "Tenant=a", "mytenant=a", "tenant", "tenant =a"] {
            assert_eq!(read(&spans(&[(3, state)], &[]), &keys), [], "{state}");
        }
        assert_eq!(read(&spans(&[(3, "tenant=a"), (5, "tenant=b")], &[]), &[]), []);
    }
}
