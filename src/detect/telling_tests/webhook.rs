//! The webhook against a receiver that misbehaves.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::*;
use crate::{
    config::Secret,
    detect::{WebhookFormat, WebhookSettings, sinks::signature::Signer, sinks::webhook::Webhook},
};

struct Request {
    path: String,
    signature: Option<String>,
    body: String,
}

/// A receiver that answers with these statuses, then 200; 0 hangs.
fn receiver(statuses: &[u16]) -> (String, mpsc::Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::channel();
    let statuses = Arc::new(Mutex::new(statuses.to_vec()));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (sender, statuses) = (sender.clone(), Arc::clone(&statuses));
            std::thread::spawn(move || {
                let mut stream = BufReader::new(stream.unwrap());
                loop {
                    let (mut path, mut signature, mut length) = (String::new(), None, 0);
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                        let line = line.trim_end();
                        match line.split_once(": ") {
                            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                                length = value.parse().unwrap();
                            }
                            Some((name, value)) if name.eq_ignore_ascii_case("portcullis-signature") => {
                                signature = Some(value.to_owned());
                            }
                            None if line.is_empty() => break,
                            None => path = line.split(' ').nth(1).unwrap().to_owned(),
                            Some(_) => {}
                        }
                    }
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).unwrap();
                    let body = String::from_utf8(body).unwrap();
                    let _ = sender.send(Request { path, signature, body });
                    let status = {
                        let mut left = statuses.lock().unwrap();
                        if left.is_empty() { 200 } else { left.remove(0) }
                    };
                    if status == 0 {
                        std::thread::sleep(Duration::from_secs(60));
                    }
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                    stream.get_mut().write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    (url, requests)
}

fn settings(url: &str, format: WebhookFormat) -> WebhookSettings {
    let mut settings = WebhookSettings { url: url.to_owned(), format, ..WebhookSettings::default() };
    (settings.retry.initial, settings.retry.max) = (Duration::from_millis(20), Duration::from_millis(50));
    settings
}

/// Scenario: one key of `retry` is given. Guarantee: the others keep a webhook's defaults: it gives up after ten
/// minutes, and does not wait for ever as a destination of data does.
#[test]
fn a_part_of_retry_leaves_the_rest() {
    let settings: WebhookSettings =
        serde_json::from_value(serde_json::json!({ "url": "http://hook", "retry": { "max": "5s" } }))
            .unwrap();
    assert_eq!(settings.check(), Ok(()));
    let secs = Duration::from_secs;
    assert_eq!(
        (settings.retry.initial, settings.retry.max, settings.retry.max_elapsed),
        (secs(1), secs(5), secs(600))
    );
}

fn start(settings: &WebhookSettings) -> Webhook {
    Webhook::start(settings, "docs/runbook.md").unwrap()
}

fn next(requests: &mpsc::Receiver<Request>) -> (Request, Value) {
    let request = requests.recv_timeout(Duration::from_secs(20)).expect("a request");
    let value = serde_json::from_str(&request.body).unwrap();
    (request, value)
}

/// Scenario: the receiver fails in three ways that pass, then takes it. Guarantee: the same finding comes again until it
/// is taken, each time with a signature that the secret verifies; then the next one.
#[test]
fn it_is_sent_again_until_it_is_taken() {
    let (url, requests) = receiver(&[503, 500, 429]);
    let settings = WebhookSettings {
        secret: Secret::new("s3cret"),
        ..settings(&format!("{url}/hook"), WebhookFormat::Json)
    };
    let webhook = start(&settings);
    webhook.tell(&whole());
    webhook.tell(&Finding { id: 2, ..whole() });
    for _ in 0..4 {
        let (request, value) = next(&requests);
        assert_eq!((request.path.as_str(), &value["id"]), ("/hook", &json!(whole().id_hex())));
        let signature = request.signature.unwrap();
        let seconds: u64 = signature.strip_prefix("t=").unwrap().split(',').next().unwrap().parse().unwrap();
        assert_eq!(signature, Signer::new("s3cret").sign(seconds, request.body.as_bytes()));
        assert_ne!(signature, Signer::new("other").sign(seconds, request.body.as_bytes()));
    }
    assert_eq!(next(&requests).1["id"], "0000000000000002");
    assert!(!format!("{settings:?} {webhook:?}").contains("s3cret"));
}

/// Scenario: the receiver refuses one for good. Guarantee: it is not sent again; the next one is.
#[test]
fn what_is_refused_is_not_sent_again() {
    let (url, requests) = receiver(&[400]);
    let webhook = start(&settings(&url, WebhookFormat::Ocsf));
    webhook.tell(&whole());
    webhook.tell(&Finding { id: 2, ..whole() });
    assert_eq!(next(&requests).1["finding_info"]["uid"], whole().id_hex());
    assert_eq!(next(&requests).1["finding_info"]["uid"], "0000000000000002");
}

/// Scenario: the receiver hangs while a thousand findings come; then the gate stops. Guarantee: telling takes no time,
/// and the stop not much more than its bound.
#[test]
fn a_receiver_that_hangs_holds_nobody_up() {
    let (url, requests) = receiver(&[0]);
    let webhook = start(&WebhookSettings { queue: 10, ..settings(&url, WebhookFormat::Json) });
    webhook.tell(&whole());
    next(&requests);
    let began = Instant::now();
    (0..1000).for_each(|_| webhook.tell(&whole()));
    assert!(began.elapsed() < Duration::from_secs(2));
    let began = Instant::now();
    drop(webhook);
    assert!(began.elapsed() < Duration::from_secs(crate::limits::WEBHOOK_STOP_SECONDS + 15));
}

/// Scenario: a finding opens, becomes worse, and closes, for an Alertmanager; one below the least severity. Guarantee:
/// one alert that goes on; then that one ends and one of the new severity begins; then it ends. The other is not sent.
#[test]
fn an_alertmanager_hears_of_every_change() {
    let (url, requests) = receiver(&[]);
    let settings =
        WebhookSettings { min_severity: Severity::High, ..settings(&url, WebhookFormat::Alertmanager) };
    let webhook = start(&settings);
    let low = Finding { id: 3, severity: Severity::Low, ..whole() };
    webhook.tell(&low);
    webhook.tell(&Finding { severity: Severity::High, ..whole() });
    let (request, first) = next(&requests);
    assert_eq!((request.path.as_str(), first.as_array().unwrap().len()), ("/api/v2/alerts", 1));
    let ends = |alert: &Value| crate::identify::date_time(alert["endsAt"].as_str().unwrap()).unwrap();
    let (now, label) =
        (crate::detect::engine::wall_clock(), |alert: &Value| alert["labels"]["severity"].clone());
    assert!(ends(&first[0]) > now + 3 * MINUTE);
    webhook.tell(&Finding { status: Status::Updated, ..whole() });
    let (_, second) = next(&requests);
    let second = second.as_array().unwrap();
    let one = |severity: &str| second.iter().find(|alert| label(alert) == severity).unwrap();
    assert_eq!(second.len(), 2);
    assert!(ends(one("high")) <= now + MINUTE && ends(one("critical")) > now + 3 * MINUTE);
    webhook.tell(&Finding { status: Status::Closed, ..whole() });
    let (_, third) = next(&requests);
    assert_eq!((third.as_array().unwrap().len(), label(&third[0])), (1, json!("critical")));
    assert!(ends(&third[0]) <= now + MINUTE);
}

/// Scenario: a tenant is destroyed while a finding of it goes on. Guarantee: an Alertmanager hears that it is over, and
/// nothing of it afterwards.
#[test]
fn of_the_dead_an_alertmanager_hears_the_end() {
    let (url, requests) = receiver(&[]);
    let webhook = start(&settings(&url, WebhookFormat::Alertmanager));
    webhook.tell(&whole());
    next(&requests);
    webhook.forget(tenant(2));
    let other = |id| Finding { id, tenant: tenant(5), other: None, ..whole() };
    webhook.tell(&other(2));
    let (_, second) = next(&requests);
    let ends = |alert: &Value| crate::identify::date_time(alert["endsAt"].as_str().unwrap()).unwrap();
    let second = second.as_array().unwrap();
    let over = second.iter().find(|alert| alert["labels"]["finding_id"] == whole().id_hex()).unwrap();
    assert!(second.len() == 2 && ends(over) <= crate::detect::engine::wall_clock() + SECOND);
    webhook.tell(&other(3));
    assert!(!next(&requests).0.body.contains(&tenant(1).to_string()));
}

/// Scenario: settings that cannot be. Guarantee: each is refused by its key, and the secret is in no error.
#[test]
fn mistakes_are_named() {
    let good = settings("https://hooks.example/s3cret", WebhookFormat::Json);
    assert_eq!(good.check(), Ok(()));
    type Wrong<'a> = (&'a str, &'a dyn Fn(&mut WebhookSettings));
    let wrong: [Wrong<'_>; 7] = [
        ("url", &|s| s.url = "ftp://s3cret".into()),
        ("url", &|s| s.url = String::new()),
        ("url", &|s| s.url_file = Some("s3cret".into())),
        ("secret_file", &|s| (s.secret, s.secret_file) = (Secret::new("s3cret"), Some("x".into()))),
        ("timeout", &|s| s.timeout = Duration::ZERO),
        ("queue", &|s| s.queue = 0),
        ("link", &|s| s.link = Some("s3cret".into())),
    ];
    for (name, change) in wrong {
        let mut settings = good.clone();
        change(&mut settings);
        let error = settings.check().unwrap_err();
        assert!(error.starts_with(&format!("detect.webhook.{name}: ")), "{error}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    let missing = WebhookSettings { secret_file: Some("/nowhere/key".into()), ..good };
    let error = Webhook::start(&missing, "x").unwrap_err().to_string();
    assert!(error.contains("detect.webhook.secret_file") && error.contains("/nowhere/key"), "{error}");
}
