//! A program's own log lines, scrubbed before they reach the terminal: a writer for `tracing-subscriber`.
//!
//! ```sh
//! cargo run --example tracing
//! ```

use std::{
    io::{self, Write},
    sync::Arc,
};

use portcullis::scrub::{Scrubber, Settings};
use tracing_subscriber::fmt::MakeWriter;

/// Scrubs what is written and passes it on. The subscriber writes each event with one call, so a value is never
/// cut in two.
struct Scrubbed<W> {
    scrubber: Arc<Scrubber>,
    out: W,
}

impl<W: Write> Write for Scrubbed<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        self.out.write_all(self.scrubber.scrub(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Makes a [`Scrubbed`] for each event.
struct ScrubbedStderr(Arc<Scrubber>);

impl<'a> MakeWriter<'a> for ScrubbedStderr {
    type Writer = Scrubbed<io::Stderr>;

    fn make_writer(&'a self) -> Self::Writer {
        Scrubbed { scrubber: Arc::clone(&self.0), out: io::stderr() }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scrubber = Arc::new(Scrubber::new(&Settings::default())?);
    tracing_subscriber::fmt().with_ansi(false).with_writer(ScrubbedStderr(scrubber)).init();
    tracing::info!(user = "jane@example.com", attempt = 3, "signed in");
    tracing::warn!("card 4111 1111 1111 1111 was declined");
    Ok(())
}
