//! One tenant's share of the quarantine.

use super::{
    tests::{batch, ids, settings, store},
    *,
};
use crate::buffer::faulty::{Dice, Fault, FaultyDisk};

const LOUD: u128 = 1;

fn quiet() -> Filter {
    Filter { tenant: Some(TenantId(uuid::Uuid::from_u128(2))), ..Filter::default() }
}

/// Scenario: a quiet tenant's items come before and among a flood of another's that is ten times what fits.
/// Guarantee: all of the quiet one's are there, in order; the flood's newest are; size and number of files stay
/// within bounds; everything reads.
#[test]
fn a_flood_pushes_out_itself() {
    let disk = FaultyDisk::default();
    let mut gate = store(&disk, 200_000);
    let mut expected = Vec::new();
    for id in 0..2000 {
        gate.append(&[(&batch(id, LOUD, 1000), Reason::UnknownTenant, 1)]).unwrap();
        if id % 50 == 0 {
            gate.append(&[(&batch(id, 2, 500), Reason::UnknownTenant, 1)]).unwrap();
            expected.push(id);
        }
        let held: usize = disk.files().iter().map(|path| disk.content(path).len()).sum();
        assert!(held <= 200_000, "{held}");
    }
    assert_eq!(ids(&gate, quiet()), expected);
    assert!(disk.files().len() < 40, "{}", disk.files().len());
    let all = ids(&gate, Filter::default());
    assert_eq!(all.last(), Some(&1999));
    assert!(all.len() > expected.len() + 100, "{}", all.len());
    assert!(all.windows(2).all(|pair| pair[0] <= pair[1]), "the order is kept");
}

/// Scenario: one tenant alone fills the quarantine. Guarantee: it has all of it, not its share.
#[test]
fn a_lone_tenant_has_it_all() {
    let disk = FaultyDisk::default();
    let mut gate = store(&disk, 100_000);
    for id in 0..300 {
        gate.append(&[(&batch(id, LOUD, 1000), Reason::Other, 1)]).unwrap();
    }
    assert!(ids(&gate, Filter::default()).len() > 80);
}

/// Scenario: a flood cut to its share with a fault at each call of the disk, then a loss of power.
/// Guarantee: the quiet tenant's items are all there, each at most twice; nothing is invented.
#[test]
fn a_fault_while_room_is_made_loses_no_other_tenants() {
    let run = |at: u64, fault: Fault| {
        let disk = FaultyDisk::default();
        let mut kept = Vec::new();
        {
            let mut gate = store(&disk, 70_000);
            for id in 0..55 {
                let tenant = if id % 9 == 0 { 2 } else { LOUD };
                gate.append(&[(&batch(id, tenant, 1000), Reason::Other, 1)]).unwrap();
                if tenant == 2 {
                    kept.push(id);
                }
            }
        }
        let before = disk.calls();
        disk.fail_in(at, fault);
        if let Ok(mut gate) = Store::open_on(Arc::new(disk.clone()), &settings(70_000)) {
            for id in 55..70 {
                let _ = gate.append(&[(&batch(id, LOUD, 1000), Reason::Other, 1)]);
            }
        }
        let calls = disk.calls() - before;
        disk.crash(&mut Dice(at));
        let found = ids(&store(&disk, 70_000), quiet());
        for id in &kept {
            let times = found.iter().filter(|found| *found == id).count();
            assert!((1..=2).contains(&times), "{at} {fault:?}: {id} is there {times} times");
        }
        assert!(found.iter().all(|id| kept.contains(id)));
        calls
    };
    let calls = run(u64::MAX / 2, Fault::Error);
    assert!(calls > 200, "{calls}");
    for at in 0..calls {
        for fault in Fault::ALL {
            run(at, fault);
        }
    }
}
