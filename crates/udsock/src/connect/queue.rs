//! The process's queues of those who wait to connect: one per address, first come first served, there only
//! while somebody waits. Any thread may use them; the map's lock is held for a lookup, never while waiting.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Mutex as FairMutex, MutexGuard as Turn};

use crate::address::Address;

/// How many queues the map has, as of when its lock was last released. Spares connections the lock while
/// nobody waits.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

static QUEUES: Mutex<BTreeMap<Address, Queue>> = Mutex::new(BTreeMap::new());

struct Queue {
    /// Fair: hands itself on in the order in which it was asked for.
    turn: Arc<FairMutex<()>>,
    places: usize,
}

/// Whether anybody of this process waits for `address`.
pub(super) fn is_waited_for(address: &Address) -> bool {
    IN_USE.load(Ordering::Acquire) != 0 && queues().contains_key(address)
}

/// A place in the queue for an address. Dropping it gives it up, and the last one takes the queue along.
pub(super) struct Place {
    address: Address,
    turn: Arc<FairMutex<()>>,
}

impl Place {
    pub(super) fn take(address: Address) -> Self {
        let mut queues = queues();
        let queue = queues
            .entry(address.clone())
            .or_insert_with(|| Queue { turn: Arc::new(FairMutex::new(())), places: 0 });
        queue.places += 1;
        let turn = Arc::clone(&queue.turn);
        IN_USE.store(queues.len(), Ordering::Release);
        Self { address, turn }
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Waits until all earlier places are gone. The order is that of the first polls.
    ///
    /// Cancel safe: dropped while it waits or after, it passes the turn on.
    pub(super) async fn turn(&self) -> Turn<'_, ()> {
        self.turn.lock().await
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = queues();
        if let Some(queue) = queues.get_mut(&self.address) {
            queue.places -= 1;
            if queue.places == 0 {
                queues.remove(&self.address);
            }
        }
        IN_USE.store(queues.len(), Ordering::Release);
    }
}

/// A panic elsewhere leaves the map usable: no operation on it stops half-way.
fn queues() -> MutexGuard<'static, BTreeMap<Address, Queue>> {
    QUEUES.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

    use std::thread;

    use super::*;

    fn address(name: &str) -> Address {
        Address::pathname(name).unwrap()
    }

    #[test]
    fn a_queue_exists_while_somebody_has_a_place() {
        let here = address("queue-exists");
        assert!(!is_waited_for(&here));
        let first = Place::take(here.clone());
        let second = Place::take(here.clone());
        assert!(is_waited_for(&here));
        assert!(!is_waited_for(&address("queue-elsewhere")));
        drop(first);
        assert!(is_waited_for(&here));
        drop(second);
        assert!(!is_waited_for(&here));
        let queues = queues();
        assert!(!queues.contains_key(&here));
        assert_eq!(IN_USE.load(Ordering::Acquire), queues.len());
    }

    #[tokio::test]
    async fn turns_come_in_order_and_skip_those_who_left() {
        let here = address("queue-order");
        let places: Vec<_> = (0..4).map(|_| Place::take(here.clone())).collect();
        let mut turns: Vec<_> = places.iter().map(|place| Box::pin(place.turn())).collect();
        let mut log = Vec::new();
        let first = turns.remove(0).await;
        // Everybody asks once, in order, so that everybody is in the queue.
        for turn in &mut turns {
            assert!(tokio::time::timeout(std::time::Duration::ZERO, turn).await.is_err());
        }
        drop(turns.remove(0));
        drop(first);
        for (number, turn) in turns.into_iter().enumerate() {
            let _turn = turn.await;
            log.push(number);
        }
        assert_eq!(log, [0, 1]);
    }

    #[test]
    fn a_poisoned_lock_does_not_matter() {
        let poisoner = thread::spawn(|| {
            let _guard = queues();
            std::panic::resume_unwind(Box::new("poisons the lock"));
        });
        assert!(poisoner.join().is_err());
        let here = address("queue-poison");
        let place = Place::take(here.clone());
        assert!(is_waited_for(&here));
        drop(place);
        assert!(!is_waited_for(&here));
    }
}
