//! OTLP at wire level: a batch is protobuf bytes, read in place and changed by splicing.
//!
//! - [`schema`]: the one table of the three export requests; everything else is driven by it.
//! - [`mod@walk`]: the strict walker, which visits every field of every message.
//! - [`edit`]: edits at offsets, and the one pass that applies them and mends enclosing lengths.
//! - [`view`]: typed, allocation-free reading of bytes that the walker has passed.
//! - [`mod@survey`] and [`mod@split`]: where tenants are declared; one request for each tenant; joining.
//! - [`json`]: OTLP/JSON to protobuf and back, by the same table.
//! - [`put`] and [`varint`]: the primitives.

mod cut;
pub mod edit;
mod error;
pub mod json;
pub mod put;
pub mod schema;
pub mod split;
pub mod survey;
pub mod varint;
pub mod view;
pub mod walk;

pub use cut::{Cuts, cut};
pub use edit::{Edits, splice};
pub use error::{Fault, WireError};
pub use schema::Msg;
pub use split::{Part, Sharing, join, split};
pub use survey::{Aliases, Mark, Place, Survey, survey};
pub use walk::{Flow, Leaf, Number, Stats, Visitor, walk};
