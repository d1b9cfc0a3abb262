//! TLS and mTLS with certificates made on the spot.

use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use portcullis::receive::{Receivers, Settings, settings};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

use crate::support::{Fake, gate};

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, as PEM.
fn leaf(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

fn write(folder: &Path, (cert, key): (String, String)) {
    fs::write(folder.join("key.pem"), key).unwrap();
    fs::write(folder.join("cert.pem"), cert).unwrap();
}

fn with_tls(settings: &mut Settings, folder: &Path, client_ca: bool) {
    settings.grpc = None;
    settings.http.as_mut().unwrap().tls = Some(settings::Tls {
        cert_file: folder.join("cert.pem"),
        key_file: folder.join("key.pem"),
        client_ca_file: client_ca.then(|| folder.join("ca.pem")),
        reload_interval: Duration::from_millis(100),
    });
}

async fn connect(
    address: SocketAddr,
    roots: &str,
    identity: Option<&(String, String)>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(roots.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((cert, key)) => builder
            .with_client_auth_cert(
                vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
                PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
            )
            .unwrap(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Posts `{}` and returns the first line of the reply, empty if the connection was closed.
async fn post(stream: &mut TlsStream<TcpStream>) -> String {
    let request =
        b"POST /v1/logs HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    let mut reply = vec![0; 4096];
    let count = match stream.write_all(request).await {
        Ok(()) => stream.read(&mut reply).await.unwrap_or(0),
        Err(_) => 0,
    };
    String::from_utf8_lossy(&reply[..count]).lines().next().unwrap_or_default().to_owned()
}

/// Scenario: the certificate files are replaced, first by nonsense, then by a new certificate. Guarantee: the
/// nonsense changes nothing, new connections see the new one, and the open connection is served all along.
#[tokio::test]
async fn certificates_are_reloaded_under_open_connections() {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority();
    write(folder.path(), leaf(&authority, "one"));
    let fake = Fake::new(1 << 20);
    let gate = gate(&fake, |s| with_tls(s, folder.path(), false)).await;
    let address = gate.http_address().unwrap();
    let mut open = connect(address, &authority.pem(), None).await.unwrap();
    let shown = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
    let first = shown(&open);
    assert_eq!(post(&mut open).await, "HTTP/1.1 200 OK");

    fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    tokio::time::sleep(Duration::from_millis(250)).await;
    assert_eq!(shown(&connect(address, &authority.pem(), None).await.unwrap()), first);

    write(folder.path(), leaf(&authority, "two"));
    let mut now = first.clone();
    for _ in 0..50 {
        now = shown(&connect(address, &authority.pem(), None).await.unwrap());
        if now != first {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_ne!(now, first);
    assert_eq!(post(&mut open).await, "HTTP/1.1 200 OK");
}

/// Scenario: mTLS with a right client, one without a certificate, and one from another authority.
/// Guarantee: only the right one is served, and the gateway hears its subject.
#[tokio::test]
async fn clients_must_show_a_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, clients, others) = (authority(), authority(), authority());
    write(folder.path(), leaf(&servers, "gate"));
    fs::write(folder.path().join("ca.pem"), clients.pem()).unwrap();
    let fake = Fake::new(1 << 20);
    let gate = gate(&fake, |s| with_tls(s, folder.path(), true)).await;
    let address = gate.http_address().unwrap();

    let known = leaf(&clients, "acme-agent");
    let mut stream = connect(address, &servers.pem(), Some(&known)).await.unwrap();
    assert_eq!(post(&mut stream).await, "HTTP/1.1 200 OK");
    let subject = fake.seen().remove(0).peer_subject.unwrap();
    assert!(subject.starts_with("sha256:") && subject.ends_with(" CN=acme-agent"), "{subject}");

    let stranger = leaf(&others, "acme-agent");
    for identity in [None, Some(&stranger)] {
        // With TLS 1.3 a client learns of its refusal only when it reads.
        if let Ok(mut stream) = connect(address, &servers.pem(), identity).await {
            assert_eq!(post(&mut stream).await, "");
        }
    }
    assert!(fake.seen().is_empty());
}

/// Scenario: TLS files that are missing, and a setting out of its bounds. Guarantee: the start fails, and the
/// error names the setting and the file.
#[tokio::test]
async fn unusable_settings_stop_the_start() {
    let fake = Fake::new(1 << 20);
    let mut settings = Settings::default();
    with_tls(&mut settings, Path::new("/nonexistent"), false);
    settings.http.as_mut().unwrap().endpoint.set_port(0);
    let error = Receivers::start(&settings, fake.clone()).await.unwrap_err().to_string();
    assert!(error.contains("receivers.http.tls") && error.contains("cert.pem"), "{error}");
    settings.http.as_mut().unwrap().max_recv_bytes = usize::MAX;
    let error = Receivers::start(&settings, fake).await.unwrap_err().to_string();
    assert!(error.contains("receivers.http.max_recv_bytes"), "{error}");
}
