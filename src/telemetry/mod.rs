//! The gate's view of itself: own metrics, logs and traces, and the events they are made of.
//!
//! Start with [`metrics::install`] and [`logs::init`]; count through [`events`]; at the very end
//! of a stop call [`logs::Guard::shutdown`], so that what the stop itself says still gets out.

pub mod audit;
pub mod events;
pub mod logs;
pub mod metrics;
mod otlp;
mod rate;
mod rotating;
mod settings;

pub use otlp::SELF_HEADER;
pub use rotating::RotatingFile;
pub use settings::{LogFormat, LogSettings, OtlpSettings, Settings};
