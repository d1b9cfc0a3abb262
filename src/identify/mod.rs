//! Who sent this: the tenant of a request and of each item in it.
//!
//! In the order in which a request meets them:
//!
//! 1. [`token`]: a bearer token, verified, gives [`Claims`]. The one part with I/O (the key server). So does a client
//!    certificate that is on a list: [`peers`].
//! 2. [`resolve`]: claim, headers and attributes, against the [`Catalogue`], give a [`Resolution`]. Pure.
//! 3. [`admit`]: the tenant's quota.
//!
//! [`normalise()`] turns every written form of a tenant into a [`TenantId`](crate::batch::TenantId).

pub mod admit;
pub mod baggage;
pub mod catalogue;
pub mod factory;
pub mod in_flight;
mod inherit;
pub mod normalise;
pub mod peers;
pub mod resolve;
mod rfc3339;
mod settings;
pub mod shared;
pub mod stamp;
pub mod token;
pub mod traces;
pub mod tracestate;
mod yaml;

pub use admit::{Admission, Used};
pub use catalogue::{Catalogue, CatalogueError, CatalogueSource, Isolation, Limits, State, Tenant};
pub use in_flight::{InFlight, Slot};
pub use inherit::Inherit;
pub use normalise::{Malformed, normalise};
pub use peers::Peers;
pub use resolve::{Declared, Level, Reject, Resolution, Resolver, Source};
pub use settings::{
    Algorithm, ApiKey, CatalogueSettings, Mode, OnMismatch, Peer, PostgresSettings, Settings, TokenSettings,
};
pub use shared::{SharedLimits, Sharing};
pub use stamp::stamp;
pub(crate) use token::bearer;
pub use token::{Claims, Issuers, TokenError, Verifier, new_api_key};
pub(crate) use yaml::from_yaml;

/// A time in nanoseconds since 1970 as RFC 3339 has it, in UTC and whole seconds.
pub fn rfc3339_text(nanos: u64) -> String {
    rfc3339::format(nanos)
}

/// Nanoseconds since 1970 of an RFC 3339 date and time; `None` where the text is none.
pub fn date_time(text: &str) -> Option<u64> {
    rfc3339::parse(text)
}
