//! Replay against gates of a few lines.

use std::{
    io::{Read, Write as _},
    net::TcpListener,
    path::Path,
};

use bytes::Bytes;

use super::*;
use crate::{
    batch::{Batch, TenantId},
    buffer::{
        Settings,
        quarantine::{Quarantine, Reason},
    },
    cli::{config::ConfigArgs, quarantine::Which},
};

const TENANT: TenantId = TenantId(uuid::Uuid::from_u128(7));

fn settings(directory: &Path) -> Settings {
    Settings { directory: directory.into(), ..Settings::default() }
}

fn put(directory: &Path, batches: u32) {
    let quarantine = Quarantine::open(&settings(directory)).unwrap();
    for _ in 0..batches {
        let batch = Batch::clean(Signal::Logs, TENANT, 1, Bytes::from_static(b"\x0a\x00"));
        assert_eq!(quarantine.put(batch, Reason::UnknownTenant, 1).wait_blocking(), Ok(()));
    }
    quarantine.close();
}

fn kept(directory: &Path) -> u64 {
    Store::open(&settings(directory)).unwrap().list().unwrap().iter().map(|group| group.batches).sum()
}

/// Answers one request after the other with these bodies; `before` runs before each answer.
fn gate(bodies: &'static [&'static [u8]], before: impl Fn() + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for body in bodies {
            let mut socket = listener.accept().unwrap().0;
            let mut head = [0; 4096];
            assert!(socket.read(&mut head).unwrap() > 0);
            before();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            socket.write_all(&[head.as_bytes(), body].concat()).unwrap();
        }
    });
    format!("http://{address}")
}

fn run_replay(directory: &Path, endpoint: &str) -> Result<Code, Failure> {
    let sets = vec![format!("buffer.directory={}", directory.display())];
    replay(&ReplayArgs {
        which: Which::default(),
        endpoint: endpoint.into(),
        headers: Vec::new(),
        timeout: Duration::from_secs(10),
        config: ConfigArgs { files: Vec::new(), sets },
    })
}

/// A partial success with one item rejected.
const REJECTED: &[u8] = b"\x0a\x02\x08\x01";

/// Scenario: a gate takes all; one rejects and keeps nothing; none is there. Guarantee: only what was
/// taken is removed.
#[test]
fn only_what_was_taken_goes() {
    let here = tempfile::tempdir().unwrap();
    put(here.path(), 2);
    assert_eq!(run_replay(here.path(), "http://127.0.0.1:1"), Ok(Code::Failed));
    assert_eq!(kept(here.path()), 2);
    assert_eq!(run_replay(here.path(), &gate(&[b"", REJECTED], || ())), Ok(Code::Failed));
    assert_eq!(kept(here.path()), 1);
    assert_eq!(run_replay(here.path(), &gate(&[b""], || ())), Ok(Code::Ok));
    assert_eq!(kept(here.path()), 0);
}

/// Scenario: a gate rejects again and puts it into this quarantine. Guarantee: it is there once.
#[test]
fn what_is_rejected_again_is_kept_once() {
    let here = tempfile::tempdir().unwrap();
    put(here.path(), 1);
    let directory = here.path().to_owned();
    assert_eq!(run_replay(here.path(), &gate(&[REJECTED], move || put(&directory, 1))), Ok(Code::Failed));
    assert_eq!(kept(here.path()), 1);
}
