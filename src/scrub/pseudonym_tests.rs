use std::{fs, sync::Arc};

use super::*;

fn tenant(number: u128) -> TenantId {
    TenantId(uuid::Uuid::from_u128(number))
}

/// The pseudonym of one value in a round of its own.
fn token(cache: &mut KeyCache, master: &MasterKey, number: u128) -> Option<String> {
    cache.next_round();
    let mut out = Vec::new();
    let made = cache.write(&mut out, "EMAIL", b"jane@example.com", Tenant { master, id: tenant(number) });
    made.then(|| String::from_utf8(out).unwrap())
}

fn salted(directory: &std::path::Path) -> (MasterKey, Arc<Salts>) {
    let salts = Arc::new(Salts::open(directory).unwrap());
    (MasterKey::new(&[7; 32], 1).unwrap().with_salts(Arc::clone(&salts)), salts)
}

/// Scenario: two tenants, two gates that share a directory of salts, a third with one of its own. Guarantee: the same
/// tenant's value gives the same token in the two, other tenants' and the third's are others.
#[test]
fn who_shares_salts_makes_the_same_tokens() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut cache = KeyCache::default();
    let (one, _) = salted(here.path());
    let (two, salts) = salted(here.path());
    let (three, _) = salted(there.path());
    let first = token(&mut cache, &one, 1).unwrap();
    assert_eq!(token(&mut cache, &one, 1).unwrap(), first);
    assert_eq!(token(&mut cache, &two, 1).unwrap(), first);
    assert_ne!(token(&mut cache, &one, 2).unwrap(), first);
    assert_ne!(token(&mut cache, &three, 1).unwrap(), first);
    let tenants: Vec<TenantId> = salts.list().unwrap().into_iter().map(|(tenant, _)| tenant).collect();
    assert_eq!(tenants, [tenant(1), tenant(2)]);
    let files = fs::read_dir(here.path()).unwrap().count();
    assert_eq!(files, 2, "nothing is left aside");
}

/// Scenario: a tenant's salt is destroyed while a worker knows its key. Guarantee: the worker's next batch makes other
/// tokens under another key id, the other tenant's stay; the file's bytes are gone.
#[test]
fn a_destroyed_salt_is_not_used_again() {
    let here = tempfile::tempdir().unwrap();
    let mut cache = KeyCache::default();
    let (master, salts) = salted(here.path());
    let (before, other) = (token(&mut cache, &master, 1).unwrap(), token(&mut cache, &master, 2).unwrap());
    assert!(salts.destroy(tenant(1)).unwrap());
    assert!(!salts.destroy(tenant(1)).unwrap(), "it is there only once");
    let after = token(&mut cache, &master, 1).unwrap();
    assert_ne!(before.split(':').nth(1), after.split(':').nth(1));
    assert_eq!(token(&mut cache, &master, 2).unwrap(), other);
}

/// Scenario: another master key or epoch comes into force under a worker that knows keys. Guarantee: other tokens.
#[test]
fn another_master_key_is_not_mistaken_for_the_one_before() {
    let mut cache = KeyCache::default();
    let keys = [(7, 1), (7, 2), (8, 1)].map(|(byte, epoch)| MasterKey::new(&[byte; 32], epoch).unwrap());
    let tokens: std::collections::HashSet<_> =
        keys.iter().map(|master| token(&mut cache, master, 1).unwrap()).collect();
    assert_eq!(tokens.len(), 3);
}

/// Scenario: salts that are too short, all zeros, or under no directory. Guarantee: no token, one error a round, and
/// the file is left as it is.
#[test]
fn without_a_sound_salt_there_is_no_token() {
    let here = tempfile::tempdir().unwrap();
    let mut cache = KeyCache::default();
    let (master, _) = salted(here.path());
    for (number, bytes) in [(1, &[1; 31][..]), (2, &[0; 32]), (3, &[1; 33])] {
        let path = here.path().join(format!("{}.salt", tenant(number).0));
        fs::write(&path, bytes).unwrap();
        assert_eq!(token(&mut cache, &master, u128::from(number as u8)), None);
        let (failed, error) = cache.take_failed();
        assert!(failed == 1 && error.unwrap().to_string().contains("expected 32 random bytes"));
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
    fs::remove_dir_all(here.path()).unwrap();
    assert_eq!(token(&mut cache, &master, 4), None);
    let mut out = Vec::new();
    assert!(!cache.write(&mut out, "EMAIL", b"a@b.example", Tenant { master: &master, id: tenant(4) }));
    assert_eq!((cache.take_failed().0, out.len()), (2, 0));
}

/// Scenario: eight threads want the salt of one new tenant at a time. Guarantee: all get the same.
#[test]
fn all_get_the_same_new_salt() {
    let here = tempfile::tempdir().unwrap();
    let (master, _) = salted(here.path());
    let tokens: std::collections::HashSet<_> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| token(&mut KeyCache::default(), &master, 9).unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(tokens.len(), 1);
}
