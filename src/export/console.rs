//! The standard output as a destination.

use std::io::{self, Write};

use crate::batch::{Batch, Clean, Signal};

/// Writes a request as one line of OTLP/JSON.
pub type Render = fn(Signal, &[u8]) -> Option<String>;

/// Writes batches for people to see: for each a line that says whose it is and how much.
#[derive(Debug, Clone, Copy, Default)]
pub struct Console {
    /// Shows the records too, where given.
    pub records: Option<Render>,
}

impl Console {
    /// Writes one batch.
    ///
    /// # Errors
    /// What the output says.
    pub fn write(self, batch: &Batch<Clean>, out: &mut impl Write) -> io::Result<()> {
        let Batch { signal, tenant, items, .. } = batch;
        writeln!(out, "{:<7} tenant={tenant} items={items} bytes={}", signal.as_str(), batch.bytes.len())?;
        match self.records.and_then(|render| render(*signal, &batch.bytes)) {
            Some(records) => writeln!(out, "{records}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::batch::TenantId;

    /// Scenario: a batch, shortly and with its records. Guarantee: one line, or two.
    #[test]
    fn a_batch_is_a_line() {
        let batch = Batch::clean(Signal::Logs, TenantId::NONE, 3, Bytes::from_static(b"xyz"));
        let shown = |records| {
            let mut out = Vec::new();
            Console { records }.write(&batch, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let line = "logs    tenant=00000000-0000-0000-0000-000000000000 items=3 bytes=3\n";
        assert_eq!(shown(None), line);
        assert_eq!(shown(Some(|_, bytes| Some(format!("{{{}}}", bytes.len())))), format!("{line}{{3}}\n"));
    }
}
