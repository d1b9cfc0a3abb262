//! A tenant is erased, on a disk that fails at every call.

use super::*;
use crate::buffer::{erase::erase, faulty::Fault};

const GONE: usize = 1;

/// Everything of the tenant that could be read in the files of a disk.
fn remains(model: &Model) -> Vec<String> {
    let mut needles = vec![tenant(GONE).0.as_bytes().to_vec(), tenant(GONE).to_string().into_bytes()];
    for (id, (tenant_no, len)) in &model.offered {
        if *tenant_no == GONE {
            needles.push(batch(*id, GONE, *len).bytes.to_vec());
        }
    }
    let holds = |path: &std::path::PathBuf| {
        let content = model.disk.content(path);
        needles.iter().any(|needle| memchr::memmem::find(&content, needle).is_some())
    };
    model.disk.files().iter().filter(|path| holds(path)).map(|path| path.display().to_string()).collect()
}

/// Takes data of three tenants, reads some, erases one.
fn script(disk: &FaultyDisk, seed: u64) -> (Model, bool) {
    let mut model = Model::new(disk.clone(), seed, small());
    for round in 0..2 {
        for n in 0..6 {
            model.append(n % 3, 300 * (1 + n));
        }
        while model.write() {}
        for _ in 0..2 + round {
            model.read();
        }
        model.commit();
    }
    let erased = erase(&model.run.as_ref().unwrap().shared, tenant(GONE)).is_ok();
    // It is asked for no longer, whatever became of it.
    let offered = model.offered.clone();
    model.accepted.retain(|id| offered[id].0 != GONE);
    (model, erased)
}

/// Scenario: a tenant with records read, unread and in the segment being written is erased, with a fault at each call
/// of the disk in turn, and once more after a loss of power. Guarantee: nothing of it is in any file, and all that
/// others were told is safe comes out in order.
#[test]
fn nothing_of_an_erased_tenant_remains() {
    let disk = FaultyDisk::default();
    let (model, erased) = script(&disk, 1);
    assert!(erased && remains(&model).is_empty(), "{:?}", remains(&model));
    let calls = disk.calls();
    drop(model);
    for at in 0..calls {
        for fault in Fault::ALL {
            let disk = FaultyDisk::default();
            disk.fail_in(at, fault);
            let (mut model, erased) = script(&disk, at);
            if erased && !model.disk.dead() {
                assert_eq!(remains(&model), Vec::<String>::new(), "{fault:?} at {at}");
            }
            model.disk.heal();
            model.crash();
            erase(&model.run.as_ref().unwrap().shared, tenant(GONE)).unwrap();
            assert_eq!(remains(&model), Vec::<String>::new(), "after {fault:?} at {at}");
            model.finish();
        }
    }
}

/// Scenario: a reader has looked at a header, and the record is erased before it reads on. Guarantee: it passes over
/// it; nothing counts as damaged, and what comes after is read.
#[test]
fn a_reader_passes_over_what_is_erased_under_it() {
    let mut model = Model::new(FaultyDisk::default(), 3, small());
    for tenant_no in [0, GONE, GONE, 2] {
        model.append(tenant_no, 100);
    }
    while model.write() {}
    // The first record is read, and the headers of the others with it.
    assert!(model.read());
    let run = model.run.as_ref().unwrap();
    let erased = erase(&run.shared, tenant(GONE)).unwrap();
    assert_eq!((erased.records, erased.items), (2, 2 + 3));
    assert!(!run.shared.lock().tenants.contains_key(&tenant(GONE)));
    assert!(model.read() && !model.read());
    let stats = model.run.as_ref().unwrap().shared.stats();
    assert_eq!((stats.corrupt_records, model.delivered.len()), (0, 2));
}
