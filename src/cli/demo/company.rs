//! Who there is in the demo: five tenants, one that is gone, senders that nobody knows; and the leaks.

use std::{net::SocketAddr, path::Path, sync::Arc};

use opentelemetry::{KeyValue, trace::SpanKind};

use super::{
    planted::Planted,
    saas::{Identity, Sender},
    sample,
};
use crate::identify::{
    Algorithm, Isolation, State,
    catalogue::Entry,
    factory::{self, Signer},
};

const TENANTS: [&str; 5] = ["alder", "birch", "cedar", "dogwood", "elm"];
const GONE: &str = "fern";

/// The leaks in the order in which they are injected, each with the share of the time after which.
pub const LEAKS: [(&str, f64); 6] = [
    ("token_tenant_mismatch", 0.15),
    ("metric_tenant_mismatch", 0.25),
    ("trace_tenant_crossing", 0.35),
    ("cross_tenant_read", 0.45),
    ("cross_tenant_attempt", 0.55),
    ("deleted_tenant_active", 0.65),
];

/// The issuer of the tenants' tokens.
pub struct Issuer(Signer);

impl Issuer {
    /// Writes the catalogue and the public key into `directory`.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn new(directory: &Path) -> Result<Issuer, String> {
        let signer = Signer::new(Algorithm::ES256, "demo-1");
        let isolation = [Isolation::Shared, Isolation::Rls, Isolation::Schema, Isolation::Database];
        let tenants = TENANTS.iter().zip(isolation.iter().cycle());
        let mut entries: Vec<Entry> = tenants
            .map(|(slug, isolation)| Entry { isolation: *isolation, ..factory::tenant(slug) })
            .collect();
        let deleted_at = Some("2026-01-31T00:00:00Z".to_owned());
        entries.push(Entry { state: State::Deleted, deleted_at, ..factory::tenant(GONE) });
        for (name, text) in
            [("tenants.yaml", factory::catalogue(&entries)), ("jwks.json", factory::jwks(&[&signer]))]
        {
            let file = directory.join(name);
            std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        }
        Ok(Issuer(signer))
    }

    fn bearer(&self, slug: &str) -> (&'static str, String) {
        ("authorization", format!("Bearer {}", self.0.token(factory::tenant_id(slug))))
    }
}

/// All senders.
pub struct Company {
    tenants: Vec<Arc<Sender>>,
    strangers: Vec<Arc<Sender>>,
    mixed: Arc<Sender>,
    gone: Arc<Sender>,
}

impl Company {
    /// Everybody sends to `gate`.
    ///
    /// # Errors
    /// As [`Sender::new`].
    pub fn new(issuer: &Issuer, gate: SocketAddr) -> Result<Company, String> {
        let id = |slug: &str| factory::tenant_id(slug).to_string();
        let sender = |name: &str, headers, attributes| {
            Sender::new(name, "shop-api", gate, &Identity { headers, attributes }).map(Arc::new)
        };
        // Every way in which a tenant can be named has its tenant.
        let tenants = vec![
            sender("alder", vec![issuer.bearer("alder")], vec![("tenant_id", id("alder"))])?,
            sender("birch", vec![issuer.bearer("birch")], vec![("tenant.id", id("birch").to_uppercase())])?,
            sender("cedar", vec![], vec![("org_id", "cedar".into())])?,
            sender("dogwood", vec![("x-tenant-id", id("dogwood"))], vec![])?,
            sender("elm", vec![issuer.bearer("elm")], vec![])?,
        ];
        let strangers = vec![
            sender("nobody", vec![], vec![])?,
            sender("unknown", vec![issuer.bearer("nobody-knows")], vec![])?,
            sender("malformed", vec![], vec![("tenant_id", "tenant number six".into())])?,
        ];
        let mixed = sender("mixed", vec![issuer.bearer("alder")], vec![("tenant_id", id("birch"))])?;
        let gone = sender(GONE, vec![issuer.bearer(GONE)], vec![("tenant_id", id(GONE))])?;
        Ok(Company { tenants, strangers, mixed, gone })
    }

    /// Everyday traffic: the pieces from number `from` up to `to`; one in forty is a stranger's.
    pub fn work(&self, planted: &Planted, from: u64, to: u64) {
        let of = |senders: &[Arc<Sender>], turn: u64| {
            let count = senders.len().max(1) as u64;
            if let Some(sender) = senders.get((turn % count) as usize) {
                sender.work(planted, turn / count);
            }
        };
        for turn in from..to {
            if turn % 40 == 39 { of(&self.strangers, turn / 40) } else { of(&self.tenants, turn - turn / 40) }
        }
    }

    /// The records that are shown before and after.
    pub fn samples(&self, planted: &Planted) {
        for (sender, sample) in self.tenants.iter().zip(&sample::samples(planted)) {
            sender.sample(sample);
        }
    }

    /// The leak of a class. Blocks until what must arrive first is sent.
    pub fn leak(&self, class: &str, planted: &Planted) {
        let (alder, birch) = (&self.tenants[0], &self.tenants[1]);
        let document = |class: &str| factory::tenant_id(&format!("document of alder/{class}")).to_string();
        match class {
            "token_tenant_mismatch" => (0..3).for_each(|turn| self.mixed.work(planted, 4 * turn + 1)),
            "metric_tenant_mismatch" => self.mixed.measure(planted, 8),
            "trace_tenant_crossing" => {
                let call = vec![KeyValue::new("rpc.service", "Invoices")];
                let caller = alder.span("Invoices/List", SpanKind::Client, None, call.clone(), None);
                birch.span("Invoices/List", SpanKind::Server, Some(&caller), call, None);
            }
            "cross_tenant_read" | "cross_tenant_attempt" => {
                let object = document(class);
                alder.request("PUT", &object, 200);
                alder.request("GET", &object, 200);
                alder.flush();
                birch.request("GET", &object, if class == "cross_tenant_read" { 200 } else { 404 });
            }
            "deleted_tenant_active" => (0..4).for_each(|turn| self.gone.work(planted, 4 * turn + 1)),
            _ => {}
        }
    }

    /// Log records and spans handed to the SDKs so far.
    pub fn sent(&self) -> u64 {
        self.all().map(|sender| sender.sent.load(std::sync::atomic::Ordering::Relaxed)).sum()
    }

    /// Sends what waits, and stops. Blocks.
    pub fn stop(&self) {
        std::thread::scope(|threads| {
            for sender in self.all() {
                threads.spawn(|| sender.stop());
            }
        });
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Sender>> {
        self.tenants.iter().chain(&self.strangers).chain([&self.mixed, &self.gone])
    }
}

/// The slug of a tenant's id, for people.
pub fn slug(id: &str) -> Option<&'static str> {
    TENANTS.into_iter().chain([GONE]).find(|slug| factory::tenant_id(slug).to_string() == id)
}
