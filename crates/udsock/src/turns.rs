//! Queues of the process for the locks of directories, one per key, first come first served. A queue exists exactly while
//! a caller has a place in it. Any thread may use them; the map's lock is held for a lookup, never while a caller waits.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as FairMutex, MutexGuard as Turn};
use tokio::time::{Instant, timeout};

/// In how many parts a caller waits for a queue to move. A pause of the whole process or runtime ends the current part and no
/// other, so it does not look like a queue that stood still for all of the caller's time.
const WAITS: u32 = 4;

/// The queues of one kind of key.
pub(crate) struct Turns<K: 'static> {
    queues: Mutex<BTreeMap<K, Queue>>,
}

struct Queue {
    /// A fair lock: it goes to the callers in the order in which they asked for it.
    turn: Arc<FairMutex<()>>,
    /// Turns that made progress.
    uses: Arc<AtomicUsize>,
    places: usize,
}

impl<K: Ord + Clone> Turns<K> {
    pub(crate) const fn new() -> Self {
        Self { queues: Mutex::new(BTreeMap::new()) }
    }

    /// Takes the last place in the queue for `key`.
    pub(crate) fn take(&'static self, key: K) -> Place<K> {
        let mut queues = self.queues();
        let queue = queues.entry(key.clone()).or_insert_with(|| Queue {
            turn: Arc::default(),
            uses: Arc::default(),
            places: 0,
        });
        queue.places += 1;
        let (turn, uses) = (Arc::clone(&queue.turn), Arc::clone(&queue.uses));
        Place { turns: self, key, turn, uses }
    }

    /// A panic elsewhere leaves the map usable: no operation on it stops half-way.
    fn queues(&self) -> MutexGuard<'_, BTreeMap<K, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a queue. Dropping it gives it up, and the last one takes the queue along.
pub(crate) struct Place<K: Ord + Clone + 'static> {
    turns: &'static Turns<K>,
    key: K,
    turn: Arc<FairMutex<()>>,
    uses: Arc<AtomicUsize>,
}

impl<K: Ord + Clone> Place<K> {
    /// Waits until all earlier places are gone, as long as the queue moves: `None` when no turn made progress for as long as
    /// `limit`. Returns with the turn the instant from which a further wait counts. The order is that of the first polls.
    ///
    /// Cancel safe: dropped while it waits or after, it passes the turn on.
    pub(crate) async fn turn_while_moving(&self, limit: Duration) -> Option<(Turn<'_, ()>, Instant)> {
        let mut turn = pin!(self.turn.lock());
        let uses = || self.uses.load(Ordering::Relaxed);
        let (mut since, mut seen, mut waits) = (Instant::now(), uses(), 0);
        loop {
            let outcome = timeout(limit / WAITS, turn.as_mut()).await;
            waits += 1;
            let now = uses();
            if now != seen {
                (since, seen, waits) = (Instant::now(), now, 0);
            }
            match outcome {
                Ok(turn) => return Some((turn, since)),
                Err(_) if waits >= WAITS => return None,
                Err(_) => {}
            }
        }
    }

    /// Reports that this turn made progress: callers behind it go on waiting.
    pub(crate) fn was_of_use(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }
}

impl<K: Ord + Clone> Drop for Place<K> {
    fn drop(&mut self) {
        let mut queues = self.turns.queues();
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.places -= 1;
            if queue.places == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

    use std::thread;

    use super::*;

    static TURNS: Turns<&str> = Turns::new();

    fn exists(key: &str) -> bool {
        TURNS.queues().contains_key(key)
    }

    #[test]
    fn a_queue_exists_while_a_caller_has_a_place() {
        let here = "queue-exists";
        assert!(!exists(here));
        let first = TURNS.take(here);
        let second = TURNS.take(here);
        assert!(exists(here));
        assert!(!exists("queue-elsewhere"));
        drop(first);
        assert!(exists(here));
        drop(second);
        assert!(!exists(here));
    }

    #[tokio::test]
    async fn turns_come_in_order_and_skip_those_who_left() {
        let places: Vec<_> = (0..4).map(|_| TURNS.take("queue-order")).collect();
        let limit = Duration::from_secs(20);
        let mut turns: Vec<_> = places.iter().map(|place| Box::pin(place.turn_while_moving(limit))).collect();
        let mut log = Vec::new();
        let first = turns.remove(0).await;
        // Polls every turn once, in order, so that all are in the queue.
        for turn in &mut turns {
            assert!(timeout(Duration::ZERO, turn).await.is_err());
        }
        drop(turns.remove(0));
        drop(first);
        for (number, turn) in turns.into_iter().enumerate() {
            let _turn = turn.await.unwrap();
            log.push(number);
        }
        assert_eq!(log, [0, 1]);
    }

    #[tokio::test]
    async fn a_pause_of_the_whole_runtime_is_not_taken_for_a_queue_that_stands_still() {
        let (first, second) = (TURNS.take("queue-pause"), TURNS.take("queue-pause"));
        let limit = Duration::from_millis(400);
        let held = first.turn_while_moving(limit).await.unwrap();
        let mut waiting = Box::pin(second.turn_while_moving(limit));
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        // Nothing of this runtime runs, as on a machine that is too busy.
        thread::sleep(limit);
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err(), "given up");
        first.was_of_use();
        drop(held);
        assert!(waiting.await.is_some());
    }

    #[test]
    fn a_poisoned_lock_does_not_matter() {
        let poisoner = thread::spawn(|| {
            let _guard = TURNS.queues();
            std::panic::resume_unwind(Box::new("poisons the lock"));
        });
        assert!(poisoner.join().is_err());
        let place = TURNS.take("queue-poison");
        assert!(exists("queue-poison"));
        drop(place);
        assert!(!exists("queue-poison"));
    }
}
