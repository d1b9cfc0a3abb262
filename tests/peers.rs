//! Senders that are known by their client certificate: a whole gate, real TLS.

use std::{fs, path::Path, sync::Arc};

use portcullis::{
    config::{Document, Options},
    gateway::Gate,
    identify::new_api_key,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    },
};

const A: &str = "11111111-1111-4111-8111-111111111111";
const B: &str = "22222222-2222-4222-8222-222222222222";

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, as PEM.
fn leaf(authority: &Authority, organisation: &str, name: &str) -> (String, String) {
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organisation);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    (params.signed_by(&key, authority).unwrap().pem(), key.serialize_pem())
}

/// Sends one log record without a tenant, or of one, and returns the answer.
async fn send(
    gate: &Gate,
    roots: &str,
    identity: &(String, String),
    header: &str,
    tenant: Option<&str>,
) -> String {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from_pem_slice(roots.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(store)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(identity.0.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.1.as_bytes()).unwrap(),
        )
        .unwrap();
    let stream = TcpStream::connect(gate.http_address().unwrap()).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let attributes = tenant.map_or_else(String::new, |tenant| {
        format!(r#"{{"key":"tenant_id","value":{{"stringValue":"{tenant}"}}}}"#)
    });
    let body = format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"attributes":[{attributes}],"body":{{"stringValue":"x"}}}}]}}]}}]}}"#
    );
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{header}content-length: {}",
        body.len()
    );
    let request = format!("{head}\r\ncontent-type: application/json\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = Vec::new();
    let _ = stream.read_to_end(&mut reply).await;
    String::from_utf8_lossy(&reply).into_owned()
}

async fn page(gate: &Gate) -> String {
    let mut stream = TcpStream::connect(gate.metrics_address().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).await.unwrap();
    page
}

/// How many log records of a tenant were accepted.
async fn accepted(gate: &Gate, tenant: &str) -> u32 {
    let page = page(gate).await;
    let wanted = |line: &&str| line.starts_with("portcullis_accepted_items_total{") && line.contains(tenant);
    page.lines().find(wanted).map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}

async fn gate(folder: &Path, identity: &str) -> Gate {
    let text = format!(
        "receivers:
  grpc: null
  http:
    endpoint: 127.0.0.1:0
    tls: {{ cert_file: {0}/cert.pem, key_file: {0}/key.pem, client_ca_file: {0}/ca.pem }}
prometheus: {{ endpoint: 127.0.0.1:0 }}
admin: {{ endpoint: 127.0.0.1:0 }}
buffer: {{ directory: {0}/data }}
telemetry: {{ audit_file: audit.jsonl }}
identity:
{identity}",
        folder.display()
    );
    Gate::start(Arc::new(move || Document::parse("test", &text, Options::default()))).await.unwrap()
}

/// Scenario: over mTLS, a certificate that is on the list as a tenant's; one of the pattern of an agent that may write
/// for two; one that is on no list; certificates with tokens beside them that fit and that don't. Guarantee: the
/// first's data is its tenant's, without any token though one is required; the agent's is whose it says; the third is
/// refused; a token within its certificate's tenants counts, one without is refused with 403, and nothing is kept. The audit says that the agents wrote for another, and no token.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_says_whose_the_data_is() {
    let folder = tempfile::tempdir().unwrap();
    let (servers, clients) = (authority(), authority());
    let (cert, key) = leaf(&servers, "Gates", "gate");
    fs::write(folder.path().join("cert.pem"), cert).unwrap();
    fs::write(folder.path().join("key.pem"), key).unwrap();
    fs::write(folder.path().join("ca.pem"), clients.pem()).unwrap();
    let (secret, sum) = new_api_key().unwrap();
    let identity = format!(
        "  mode: enforce
  token: {{ required: true, api_keys: [{{ name: ci, sha256: {sum}, tenant: {B} }}] }}
  peers:
    - {{ subject: 'CN=checkout,O=Acme', tenant: {A} }}
    - {{ subject: 'CN=agent-*,O=Platform', name: agents, allowed_tenants: [{A}, {B}] }}
"
    );
    let gate = gate(folder.path(), &identity).await;
    let roots = servers.pem();
    let checkout = leaf(&clients, "Acme", "checkout");
    let agent = leaf(&clients, "Platform", "agent-7");
    let other = leaf(&clients, "Platform", "checkout");
    let token = format!("authorization: Bearer {secret}\r\n");

    let answer = send(&gate, &roots, &checkout, "", None).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("rejected"), "{answer}");
    assert_eq!((accepted(&gate, A).await, accepted(&gate, B).await), (1, 0));

    let answer = send(&gate, &roots, &agent, "", Some(B)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("rejected"), "{answer}");
    assert_eq!((accepted(&gate, A).await, accepted(&gate, B).await), (1, 1));
    assert!(page(&gate).await.contains("portcullis_impersonated_items_total{"));
    let answer = send(&gate, &roots, &agent, "", None).await;
    assert!(answer.contains("rejectedLogRecords"), "{answer}");

    let answer = send(&gate, &roots, &other, "", Some(A)).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");

    let answer = send(&gate, &roots, &agent, &token, None).await;
    assert!(answer.starts_with("HTTP/1.1 200") && !answer.contains("rejected"), "{answer}");
    let answer = send(&gate, &roots, &other, &token, None).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!((accepted(&gate, A).await, accepted(&gate, B).await), (1, 3));
    let answer = send(&gate, &roots, &checkout, &token, Some(A)).await;
    assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("client certificate"), "{answer}");
    let answer = send(&gate, &roots, &checkout, "authorization: Bearer pck_nonsense\r\n", None).await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!((accepted(&gate, A).await, accepted(&gate, B).await), (1, 3));
    assert!(gate.stop().await);

    let audit = fs::read_to_string(folder.path().join("data/audit.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{audit}");
    let line = &lines[0];
    assert_eq!((&line["action"], &line["actor"]), (&"impersonation".into(), &"agents".into()));
    assert_eq!((&line["tenant_id"], &line["details"]["items"]), (&B.into(), &1.into()));
    assert!(line["details"]["own_tenant_id"].is_null() && !audit.contains(&secret), "{audit}");
}
