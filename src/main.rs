//! The `portcullis` program: parse the command line, run one verb, exit with its code.

fn main() -> std::process::ExitCode {
    portcullis::cli::run()
}
