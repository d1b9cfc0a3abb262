//! `bench --noisy`: what a quiet tenant feels of a neighbour that sends far more than it may.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};

use super::{
    BenchArgs, Sent, batches,
    drive::{Load, Seen},
    percentile,
};
use crate::identify::{factory, new_api_key};

/// What the quiet tenant sends: requests a second, records in each, requests at once.
const QUIET: (f64, usize, usize) = (50.0, 100, 8);
/// The noisy tenant's limit, in records a second.
const LIMIT: u64 = 1000;
/// What it sends: this many times its limit.
const TIMES: u64 = 100;
/// Records in each of its requests, and requests at once.
const NOISY: (usize, usize) = (1000, 64);

/// Runs it. The code is 1 where a record of the quiet tenant was refused, 2 where it could not run.
pub async fn run(args: &BenchArgs) -> ExitCode {
    match measure(args).await {
        Ok(rounds) => {
            let report = report(&rounds);
            if args.json {
                println!("{report}")
            } else {
                print!("{}", text(&rounds, &report))
            }
            let refused = rounds.iter().flatten().map(Phase::refused).sum::<u64>();
            if refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

/// Beside whom the quiet tenant was measured.
const BESIDE: [&str; 3] = ["alone", "beside 100 times the limit", "beside a flood without a limit"];

/// What was seen of both tenants in one stretch of time.
struct Phase {
    quiet: Seen,
    noisy: Seen,
    seconds: f64,
}

impl Phase {
    /// Records of the quiet tenant that were not taken.
    fn refused(&self) -> u64 {
        self.quiet.refused.values().sum::<u64>() * QUIET.1 as u64 + self.quiet.rejected
    }

    fn p99(&self) -> f64 {
        percentile(&self.quiet.latencies, 0.99)
    }

    fn json(&self) -> Value {
        let records = |requests: u64| (requests * NOISY.0 as u64) as f64 / self.seconds;
        let turned_away = self.noisy.refused.values().sum::<u64>();
        json!({
            "quiet_p50_ms": percentile(&self.quiet.latencies, 0.5),
            "quiet_p99_ms": self.p99(),
            "quiet_requests": self.quiet.taken,
            "quiet_records_refused": self.refused(),
            "noisy_records_per_second": records(self.noisy.taken + turned_away),
            "noisy_records_taken_per_second": records(self.noisy.taken),
        })
    }
}

async fn measure(args: &BenchArgs) -> Result<Vec<[Phase; 3]>, String> {
    let lines = match &args.corpus {
        Some(file) => batches::corpus(file)?,
        None => batches::generated(),
    };
    let quiet_batches = batches::encode(&lines, 16, QUIET.1, &[]);
    let noisy_batches = batches::encode(&lines, 4, NOISY.0, &[]);
    let mut rounds = Vec::new();
    for _ in 0..args.rounds {
        let mut phases = Vec::new();
        for beside in BESIDE {
            let limited = beside != BESIDE[2];
            let gate = Gate::start(args, limited).await?;
            let endpoint = gate.address.to_string();
            let quiet =
                Load::new(&endpoint, Sent::Logs, &quiet_batches, QUIET.1 as u64, bearer(&gate.quiet)?)?;
            let quiet = quiet.paced(QUIET.0, QUIET.2).run(2, QUIET.2, args.warm_up, args.length, || {});
            let noisy =
                Load::new(&endpoint, Sent::Logs, &noisy_batches, NOISY.0 as u64, bearer(&gate.noisy)?)?;
            let per_second = (LIMIT * TIMES) as f64 / NOISY.0 as f64;
            let noisy = if limited { noisy.paced(per_second, NOISY.1) } else { noisy };
            let (mut quiet, noisy) = if beside == BESIDE[0] {
                (quiet.await?, Seen::default())
            } else {
                let noisy = noisy.run(2, NOISY.1, args.warm_up, args.length, || {});
                let (quiet, noisy) = tokio::join!(quiet, noisy);
                (quiet?, noisy?)
            };
            if quiet.taken == 0 {
                return Err(format!("nothing of the quiet tenant was taken: {:?}", quiet.refused));
            }
            quiet.latencies.sort_unstable();
            phases.push(Phase { quiet, noisy, seconds: args.length.as_secs_f64() });
        }
        rounds.extend(<[Phase; 3]>::try_from(phases).ok());
    }
    Ok(rounds)
}

fn bearer(key: &str) -> Result<HeaderMap, String> {
    let mut value: HeaderValue = format!("Bearer {key}").parse().map_err(|_| "a key with odd characters")?;
    value.set_sensitive(true);
    Ok(HeaderMap::from_iter([(header::AUTHORIZATION, value)]))
}

/// A gate for one stretch: its process and its folder go with it.
struct Gate {
    process: Child,
    folder: PathBuf,
    address: SocketAddr,
    quiet: String,
    noisy: String,
}

impl Gate {
    async fn start(args: &BenchArgs, limited: bool) -> Result<Gate, String> {
        let said = |what: &str| {
            let what = what.to_owned();
            move |error: std::io::Error| format!("{what}: {error}")
        };
        let folder = std::env::temp_dir().join(format!("portcullis-bench-{}", uuid::Uuid::new_v4()));
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(said("a folder for the gate"))?;
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = free().map_err(said("a free port"))?;
        let key = || new_api_key().map_err(|error| error.to_string());
        let ((quiet, quiet_sum), (noisy, noisy_sum)) = (key()?, key()?);
        let file = folder.join("gate.json");
        let text = configuration(&folder, address, &quiet_sum, &noisy_sum, limited);
        fs::write(&file, text.to_string()).map_err(said("the gate's configuration"))?;
        let program = std::env::current_exe().map_err(said("this program"))?;
        let mut command = match &args.gate_cores {
            Some(cores) => {
                let mut command = Command::new("taskset");
                command.args(["-c", cores]).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(["serve", "--config"]).arg(&file);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().map_err(said("the gate could not be started"))?;
        let mut gate = Gate { process, folder, address, quiet, noisy };
        let began = Instant::now();
        while TcpStream::connect(address).is_err() {
            if gate.process.try_wait().is_ok_and(|ended| ended.is_some()) || began.elapsed().as_secs() > 30 {
                return Err("the gate that was started does not take connections".into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(gate)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // What cannot be removed is in the system's directory for such files.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn configuration(
    folder: &std::path::Path,
    address: SocketAddr,
    quiet: &str,
    noisy: &str,
    limited: bool,
) -> Value {
    let [quiet_id, noisy_id] = ["quiet", "noisy"].map(|name| factory::tenant_id(name).to_string());
    let limits = limited.then(|| json!({ "items_per_second": LIMIT }));
    let catalogue = json!({ "tenants": [{ "id": quiet_id }, { "id": noisy_id, "limits": limits }] });
    let file = folder.join("tenants.json");
    // A gate without its tenants does not start, and says so.
    let _ = fs::write(&file, catalogue.to_string());
    json!({
        "receivers": { "grpc": { "endpoint": address.to_string() }, "http": null },
        "prometheus": { "enabled": false },
        "admin": { "endpoint": null },
        "buffer": { "directory": folder.join("data") },
        "identity": {
            "mode": "enforce",
            "catalogue": { "file": file },
            "token": { "required": true, "api_keys": [
                { "name": "quiet", "sha256": quiet, "tenant": quiet_id },
                { "name": "noisy", "sha256": noisy, "tenant": noisy_id },
            ] },
        },
    })
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}

fn report(rounds: &[[Phase; 3]]) -> Value {
    let of = |place: usize| median(rounds.iter().map(|round| round[place].p99()).collect());
    let ratio =
        |place: usize| median(rounds.iter().map(|r| r[place].p99() / r[0].p99().max(0.001)).collect());
    let all = |round: &[Phase; 3]| Value::from_iter(round.iter().map(Phase::json));
    json!({
        "phases": BESIDE,
        "quiet_p99_ms": [of(0), of(1), of(2)],
        "ratio": [1.0, ratio(1), ratio(2)],
        "quiet_records_refused": rounds.iter().flatten().map(Phase::refused).sum::<u64>(),
        "rounds": rounds.iter().map(all).collect::<Vec<_>>(),
    })
}

fn text(rounds: &[[Phase; 3]], report: &Value) -> String {
    let mut text = format!(
        "quiet: {} requests/s of {} records; noisy: requests of {} records, limit {LIMIT} records/s\n\n\
         {:>12} {:>12} {:>8} {:>18} {:>18}\n",
        QUIET.0, QUIET.1, NOISY.0, "p50 (quiet)", "p99 (quiet)", "refused", "noisy, sent/s", "noisy, taken/s",
    );
    for round in rounds {
        for (phase, beside) in round.iter().zip(BESIDE) {
            let json = phase.json();
            let number = |name: &str| json[name].as_f64().unwrap_or(0.0);
            text += &format!(
                "{:>9.1} ms {:>9.1} ms {:>8} {:>18.0} {:>18.0}   {beside}\n",
                number("quiet_p50_ms"),
                number("quiet_p99_ms"),
                phase.refused(),
                number("noisy_records_per_second"),
                number("noisy_records_taken_per_second"),
            );
        }
    }
    let number = |name: &str, place: usize| report[name][place].as_f64().unwrap_or(0.0);
    text += "\nmedian of the rounds, p99 of the quiet tenant:\n";
    for (place, beside) in BESIDE.iter().enumerate() {
        let (p99, ratio) = (number("quiet_p99_ms", place), number("ratio", place));
        text += &format!("{p99:>9.1} ms   {ratio:.2} times   {beside}\n");
    }
    text + &format!("{:>9} records of the quiet tenant refused\n", report["quiet_records_refused"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(latencies: &[u32], refused: u64) -> Phase {
        let refused = [("grpc-status 8".to_owned(), refused)].into_iter().filter(|(_, n)| *n > 0).collect();
        let quiet = Seen { taken: 3, latencies: latencies.to_vec(), refused, ..Seen::default() };
        Phase { quiet, noisy: Seen { taken: 2, ..Seen::default() }, seconds: 2.0 }
    }

    /// Scenario: three rounds. Guarantee: the medians, the ratio round by round, refused records counted.
    #[test]
    fn the_report_is_of_the_rounds() {
        let round =
            |ms: u32, refused| [phase(&[ms * 1000], 0), phase(&[ms * 2000], refused), phase(&[9000], 0)];
        let rounds = [round(2, 0), round(4, 1), round(3, 0)];
        let report = report(&rounds);
        assert_eq!(report["quiet_p99_ms"], json!([3.0, 6.0, 9.0]));
        assert_eq!(report["ratio"], json!([1.0, 2.0, 3.0]));
        assert_eq!(report["quiet_records_refused"], 100);
        assert_eq!(report["rounds"][0][1]["noisy_records_taken_per_second"], 1000.0);
        assert!(text(&rounds, &report).contains("2.00 times   beside 100 times the limit"));
    }
}
