//! A gate as a process, for the tests that drive one.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    time::{Duration, Instant},
};

pub const BIN: &str = env!("CARGO_BIN_EXE_portcullis");
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A gate on free ports in a folder of its own; killed when it is dropped.
pub struct Gate {
    pub child: Child,
    lines: BufReader<ChildStderr>,
}

impl Gate {
    pub fn start(directory: &Path, more: &[&str]) -> Gate {
        let mut child = Command::new(BIN)
            .arg("serve")
            .args(["--set", "receivers.grpc.endpoint=127.0.0.1:0"])
            .args(["--set", "receivers.http.endpoint=127.0.0.1:0"])
            .args(["--set", "prometheus.endpoint=127.0.0.1:0"])
            .args(["--set", "admin.endpoint=127.0.0.1:0"])
            .args(more)
            .current_dir(directory)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap());
        Gate { child, lines }
    }

    /// Reads stderr up to a line with `text`.
    pub fn line(&mut self, text: &str) -> String {
        let mut seen = String::new();
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "no line with {text:?} in\n{seen}");
            if line.contains(text) {
                return line;
            }
            seen.push_str(&line);
        }
    }

    /// The address in a line that says where something listens.
    pub fn address(&mut self, what: &str) -> String {
        let line = self.line(what);
        let rest = line.split_once("http://").unwrap().1;
        rest.trim().split('/').next().unwrap().to_owned()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// The exit code, and what was still said.
    pub fn end(&mut self) -> (i32, String) {
        let begin = Instant::now();
        let status = loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break status,
                None => assert!(begin.elapsed() < DEADLINE, "the gate does not end"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (status.code().unwrap_or(-1), rest)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP/1.1 exchange: the whole answer.
pub fn http(address: &str, request: &str, body: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let head =
        format!("{request} HTTP/1.1\r\nhost: gate\r\nconnection: close\r\ncontent-length: {}", body.len());
    socket.write_all(format!("{head}\r\ncontent-type: application/json\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

pub fn logs(tenant: &str) -> String {
    format!(
        r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"tenant_id","value":{{"stringValue":"{tenant}"}}}}]}},"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"1700000000000000000","body":{{"stringValue":"mail jane@example.com"}}}}]}}]}}]}}"#
    )
}

pub const KNOWN: &str = "0d6f5b8e-2a5c-4a0e-9f3b-1c2d3e4f5a6b";
pub const LATER: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";
