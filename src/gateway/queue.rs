//! What waits for a worker: a bounded lane for each sender, drained fairly, so that a flood delays only itself.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::buffer::{Full, Lanes, Waiting};

/// The queue, as workers see it.
pub(super) struct Queue<J> {
    state: Mutex<State<J>>,
    ready: Condvar,
}

struct State<J> {
    lanes: Lanes<J>,
    closed: bool,
}

/// The queue, as receivers see it. When the last is dropped the workers end, after what waits.
pub(super) struct Hatch<J: Waiting>(Arc<Queue<J>>);

/// Why something was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shut {
    /// The sender's own lane is full.
    Lane,
    /// All lanes together are.
    Queue,
}

impl<J: Waiting> Queue<J> {
    /// An empty queue with its bounds in bytes, as [`Waiting::cost`] counts them: of one lane, of all.
    pub fn open(lane_bytes: usize, queue_bytes: usize) -> (Hatch<J>, Arc<Queue<J>>) {
        let state = State { lanes: Lanes::new(lane_bytes, queue_bytes), closed: false };
        let queue = Arc::new(Queue { state: Mutex::new(state), ready: Condvar::new() });
        (Hatch(Arc::clone(&queue)), queue)
    }

    /// The next in fair order; waits for one. Nothing when all is done and the hatch is gone.
    pub fn next(&self) -> Option<J> {
        let mut state = self.lock();
        loop {
            // One at a time: what a worker holds, no other can take.
            if let Some(job) = state.lanes.take(1).pop() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.ready.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Waiting> Hatch<J> {
    /// Hands something in without waiting.
    ///
    /// # Errors
    /// What was full.
    pub fn push(&self, job: J) -> Result<(), Shut> {
        let pushed = self.0.lock().lanes.push(job);
        match pushed {
            Ok(()) => {
                self.0.ready.notify_one();
                Ok(())
            }
            Err((_, Full::Lane)) => Err(Shut::Lane),
            Err((_, Full::Queue | Full::Lanes)) => Err(Shut::Queue),
        }
    }
}

impl<J: Waiting> Drop for Hatch<J> {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.ready.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{batch::TenantId, limits};

    struct Job(u128, usize);

    impl Waiting for Job {
        fn tenant(&self) -> TenantId {
            TenantId(Uuid::from_u128(self.0))
        }

        fn cost(&self) -> usize {
            self.1
        }
    }

    /// Scenario: one sender fills its lane, then another hands in one. Guarantee: the first is refused past its
    /// lane, the second is taken, and is served behind one quantum of the first.
    #[test]
    fn a_flood_delays_only_itself() {
        let size = limits::LANE_QUANTUM_BYTES / 4;
        let (hatch, queue) = Queue::open(100 * size, 200 * size);
        assert!((0..100).all(|_| hatch.push(Job(1, size)).is_ok()));
        assert_eq!(hatch.push(Job(1, size)), Err(Shut::Lane));
        assert_eq!(hatch.push(Job(2, size)), Ok(()));
        let served: Vec<_> = std::iter::from_fn(|| queue.next()).take(6).map(|job| job.0).collect();
        assert_eq!(served.iter().position(|who| *who == 2), Some(4), "{served:?}");
    }

    /// Scenario: workers wait, the hatch goes while something is left. Guarantee: what is left is done, then they end.
    #[test]
    fn workers_end_when_all_is_done() {
        let (hatch, queue) = Queue::open(1000, 1000);
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let queue = Arc::clone(&queue);
                std::thread::spawn(move || std::iter::from_fn(|| queue.next()).count())
            })
            .collect();
        assert!((0..50).all(|n| hatch.push(Job(n % 5, 10)).is_ok()));
        drop(hatch);
        assert_eq!(workers.into_iter().map(|worker| worker.join().unwrap()).sum::<usize>(), 50);
    }
}
