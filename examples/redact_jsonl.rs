//! Reads JSON lines with `id` and `text`, writes them with the text scrubbed; with `--speed FILE`, times a file.

use std::io::{BufRead, Write};

use portcullis::scrub::{Scrubber, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let scrubber = Scrubber::new(&Settings::default())?;
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("--speed") {
        let text = std::fs::read_to_string(args.next().ok_or("--speed needs a file")?)?;
        for _ in 0..5 {
            let begin = std::time::Instant::now();
            let mut changed = 0usize;
            for batch in text.lines().collect::<Vec<_>>().chunks(1000) {
                changed += scrubber.count_finds(batch);
            }
            let speed = text.len() as f64 / begin.elapsed().as_secs_f64() / 1e6;
            println!("{speed:.0} MB/s, {changed} finds");
        }
        return Ok(());
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let mut record: serde_json::Value = serde_json::from_str(&line?)?;
        let text = record["text"].as_str().unwrap_or_default();
        let scrubbed = scrubber.scrub(text).into_owned();
        record = serde_json::json!({ "id": record["id"], "text": scrubbed });
        writeln!(out, "{record}")?;
    }
    Ok(())
}
