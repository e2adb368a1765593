//! Every order in which threads can meet in the queue and in a `Revocable`, by loom.
#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use super::{Queue, Revocable};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

/// An item that counts how often it was dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The consumer sleeps until it is woken, takes one item at a time, and sleeps again only when no more are waiting. A lost
/// wake-up would leave it asleep, which loom reports as a deadlock.
#[test]
fn nothing_that_is_pushed_is_slept_over() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(8));
        let wake = Arc::new(Notify::new());
        let producers = [1, 2].map(|item| {
            let (queue, wake) = (Arc::clone(&queue), Arc::clone(&wake));
            thread::spawn(move || {
                queue
                    .push(item, || {
                        wake.notify();
                        true
                    })
                    .unwrap()
            })
        });
        let mut sum = 0;
        while sum < 3 {
            wake.wait();
            while let Some((item, more)) = queue.pop() {
                sum += item;
                if !more {
                    break;
                }
            }
        }
        for producer in producers {
            producer.join().unwrap();
        }
        assert!(queue.pop().is_none());
    });
}

#[test]
fn a_full_queue_returns_the_item_and_takes_it_later() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(1));
        queue.push(1, || true).unwrap();
        let producer = {
            let queue = Arc::clone(&queue);
            thread::spawn(move || queue.push(2, || true))
        };
        assert_eq!(queue.pop().map(|(item, _)| item), Some(1));
        match producer.join().unwrap() {
            Ok(()) => assert_eq!(queue.pop(), Some((2, false))),
            Err(item) => assert_eq!((item, queue.pop()), (2, None)),
        }
    });
}

#[test]
fn an_item_is_dropped_once_when_the_queue_closes_meanwhile() {
    loom::model(|| {
        let queue = Arc::new(Queue::new(8));
        let drops = Arc::new(AtomicUsize::new(0));
        let producers = [(), ()].map(|()| {
            let (queue, drops) = (Arc::clone(&queue), Arc::clone(&drops));
            thread::spawn(move || assert!(queue.push(Counted(drops), || true).is_ok()))
        });
        drop(queue.pop());
        queue.close();
        for producer in producers {
            producer.join().unwrap();
        }
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        assert!(queue.pop().is_none());
    });
}

/// The doorbell relies on this: once `revoke` has returned, what the value stands for may be freed.
#[test]
fn a_revoked_value_is_not_used() {
    loom::model(|| {
        let freed = Arc::new(AtomicBool::new(false));
        let value = Arc::new(Revocable::new(Arc::clone(&freed)));
        let users = [(), ()].map(|()| {
            let value = Arc::clone(&value);
            thread::spawn(move || value.with(|freed| assert!(!freed.load(Ordering::Relaxed))))
        });
        assert!(value.revoke().is_some());
        freed.store(true, Ordering::Relaxed);
        for user in users {
            user.join().unwrap();
        }
    });
}
