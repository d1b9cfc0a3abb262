//! A fault at each call of the disk in turn.

use super::*;
use crate::buffer::faulty::Fault;

/// Everything that a gate does in its life, with one fault somewhere.
fn script(disk: &FaultyDisk, seed: u64) {
    let mut model = Model::new(disk.clone(), seed, small());
    for round in 0..3 {
        for n in 0..6 {
            model.append(n % 3, 300 * (1 + n));
        }
        while model.write() {}
        for _ in 0..4 {
            model.read();
        }
        model.commit();
        model.run.as_mut().unwrap().writer.keep();
        if round == 1 {
            model.crash();
        }
    }
    model.finish();
}

/// Scenario: one fixed script, and at each call of the disk in turn an error, a short write, a full
/// disk, a crash. Guarantee: what was accepted is read in order, nothing is invented, the gate goes on.
#[test]
fn a_fault_at_any_call_loses_nothing_that_was_accepted() {
    let disk = FaultyDisk::default();
    script(&disk, 1);
    let calls = disk.calls();
    assert!(calls > 100, "the script must do something: {calls}");
    for at in 0..calls {
        for fault in Fault::ALL {
            let disk = FaultyDisk::default();
            disk.fail_in(at, fault);
            script(&disk, at);
        }
    }
}
