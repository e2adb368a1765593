#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

fn rung(now: Instant) -> (Arc<Bell>, Watcher) {
    let bell = Arc::new(Bell::default());
    let mut watcher = Watcher::new(Arc::clone(&bell), now);
    assert!(watcher.must_ring(Ok(true), now));
    (bell, watcher)
}

#[test]
fn an_armed_bell_rings_for_an_event_and_waits_for_nothing_else() {
    let now = Instant::now();
    let bell = Arc::new(Bell::default());
    let mut watcher = Watcher::new(Arc::clone(&bell), now);
    assert!(!watcher.must_ring(Ok(false), now));
    assert_eq!(watcher.deadline(), None);
    assert!(watcher.must_ring(Ok(true), now));
    assert_eq!(watcher.deadline(), Some(now + FIRST_REMINDER));
}

#[test]
fn an_unanswered_ring_is_repeated_at_growing_intervals() {
    let mut now = Instant::now();
    let (_bell, mut watcher) = rung(now);
    for pause in [2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000].map(|count| count * MILLISECOND) {
        assert_eq!(watcher.deadline(), Some(now + pause));
        assert!(!watcher.must_ring(Ok(true), now + pause - MILLISECOND));
        now += pause;
        assert!(watcher.must_ring(Ok(false), now));
    }
}

#[test]
fn a_ring_is_answered_once_and_nothing_rings_until_the_bell_is_armed() {
    let now = Instant::now();
    let (bell, mut watcher) = rung(now);
    let mut polls = 0;
    for _ in 0..3 {
        bell.answer(|| {
            polls += 1;
            Ok(true)
        });
    }
    assert_eq!(polls, 1);
    assert!(!watcher.must_ring(Ok(true), now + LAST_REMINDER));
    bell.arm(|| Ok(())).unwrap();
    assert!(watcher.must_ring(Ok(true), now + LAST_REMINDER));
}

#[test]
fn an_answer_that_fails_is_given_again_and_then_reminded_of() {
    let now = Instant::now();
    let (bell, mut watcher) = rung(now);
    let mut outcomes = [Err(Panicked), Ok(true)].into_iter();
    bell.answer(|| outcomes.next().unwrap());
    assert!(!watcher.must_ring(Ok(false), now + LAST_REMINDER));

    for outcome in [Ok(false), Err(Panicked)] {
        let now = Instant::now();
        let (bell, mut watcher) = rung(now);
        bell.answer(|| outcome);
        assert!(watcher.must_ring(Ok(false), now + FIRST_REMINDER));
    }
}

#[test]
fn a_bell_that_cannot_be_armed_stays_answered() {
    let now = Instant::now();
    let (bell, mut watcher) = rung(now);
    bell.answer(|| Ok(true));
    assert_eq!(bell.arm(|| Err(Errno::NOMEM)), Err(Errno::NOMEM));
    assert!(!watcher.must_ring(Ok(true), now));
    bell.arm(|| Ok(())).unwrap();
    assert!(watcher.must_ring(Ok(true), now));
}

#[test]
fn an_unknown_readiness_counts_as_an_event_and_is_asked_for_again() {
    let now = Instant::now();
    let bell = Arc::new(Bell::default());
    let mut watcher = Watcher::new(Arc::clone(&bell), now);
    assert!(watcher.must_ring(Err(Errno::NOMEM), now));
    bell.answer(|| Ok(true));
    bell.arm(|| Ok(())).unwrap();
    assert_eq!(watcher.deadline(), Some(now + FIRST_REMINDER));
}

#[test]
fn after_a_panic_a_ring_is_due_at_once() {
    let now = Instant::now();
    let bell = Arc::new(Bell::default());
    let mut watcher = Watcher::new(Arc::clone(&bell), now);
    watcher.recover(now);
    assert!(watcher.must_ring(Ok(false), now));
}
