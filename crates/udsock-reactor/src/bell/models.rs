//! Every order in which the watching thread and the JavaScript thread can meet in the bell, by loom.
#![allow(clippy::unwrap_used, reason = "a test's failure is a panic")]

use super::{Bell, Watcher};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;
use rustix::io::Errno;
use std::time::Instant;

/// Explores orders with at most this many preemptions: all of them would take hours.
const PREEMPTIONS: usize = 3;

fn model(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(run);
}

/// A reactor with a count of events, watched once until it is armed again. `readable` wakes the watching thread.
struct Reactor {
    events: usize,
    is_armed: bool,
    is_over: bool,
}

struct Model {
    bell: std::sync::Arc<Bell>,
    reactor: Mutex<Reactor>,
    readable: Notify,
    rings: Notify,
}

impl Model {
    /// Returns an armed model in which one event is ready.
    fn new() -> Arc<Model> {
        Arc::new(Model {
            bell: std::sync::Arc::new(Bell::default()),
            reactor: Mutex::new(Reactor { events: 1, is_armed: true, is_over: false }),
            readable: Notify::new(),
            rings: Notify::new(),
        })
    }

    fn change(&self, change: impl FnOnce(&mut Reactor)) {
        let mut reactor = self.reactor.lock().unwrap();
        change(&mut reactor);
        if (reactor.events > 0 && reactor.is_armed) || reactor.is_over {
            self.readable.notify();
        }
    }

    /// Takes the readiness, once until it is armed; none when the watching thread has to end.
    fn take(&self) -> Option<bool> {
        let mut reactor = self.reactor.lock().unwrap();
        if reactor.is_over {
            return None;
        }
        let taken = reactor.events > 0 && reactor.is_armed;
        reactor.is_armed &= !taken;
        Some(taken)
    }

    fn arm(&self, rearm: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
        self.bell.arm(|| {
            rearm()?;
            self.change(|reactor| reactor.is_armed = true);
            Ok(())
        })
    }

    /// The watching thread, whose clock stands still: no reminder is ever due.
    fn watch(&self) {
        let now = Instant::now();
        let mut watcher = Watcher::new(std::sync::Arc::clone(&self.bell), now);
        while let Some(taken) = self.take() {
            if watcher.must_ring(Ok(taken), now) {
                Bell::ring(|| self.rings.notify());
            }
            self.readable.wait();
        }
    }

    fn end(&self) {
        self.change(|reactor| reactor.is_over = true);
    }
}

/// The JavaScript thread sleeps until a ring, takes all events and arms with `rearm`, a second time if that fails, as the engine
/// does. A lost ring would leave it asleep, which loom reports as a deadlock.
fn see_two_events(rearm: impl Fn() -> Result<(), Errno>) {
    let model = Model::new();
    let watching = {
        let model = Arc::clone(&model);
        thread::spawn(move || model.watch())
    };
    let producing = {
        let model = Arc::clone(&model);
        thread::spawn(move || model.change(|reactor| reactor.events += 1))
    };
    let mut seen = 0;
    while seen < 2 {
        model.rings.wait();
        model.bell.answer(|| {
            seen += std::mem::take(&mut model.reactor.lock().unwrap().events);
            Ok(true)
        });
        if model.arm(&rearm).is_err() {
            model.arm(|| Ok(())).unwrap();
        }
    }
    producing.join().unwrap();
    model.end();
    watching.join().unwrap();
}

#[test]
fn no_event_is_slept_through_without_a_reminder() {
    model(|| see_two_events(|| Ok(())));
}

#[test]
fn no_event_is_slept_through_after_a_failed_arming() {
    model(|| see_two_events(|| Err(Errno::NOMEM)));
}

/// A ring and its reminders may be heard on their own: one of them polls.
#[test]
fn of_several_rings_one_is_answered() {
    model(|| {
        let now = Instant::now();
        let bell = std::sync::Arc::new(Bell::default());
        assert!(Watcher::new(std::sync::Arc::clone(&bell), now).must_ring(Ok(true), now));
        let polls = Arc::new(AtomicUsize::new(0));
        let rings = [(), ()].map(|()| {
            let (bell, polls) = (std::sync::Arc::clone(&bell), Arc::clone(&polls));
            thread::spawn(move || {
                bell.answer(|| {
                    polls.fetch_add(1, Ordering::SeqCst);
                    Ok(true)
                });
            })
        });
        for ring in rings {
            ring.join().unwrap();
        }
        assert_eq!(polls.load(Ordering::SeqCst), 1);
    });
}

/// The watching thread may panic at any time, also while the bell is armed or answered: what it rings then is answered or
/// harmless, and what comes next rings as ever.
#[test]
fn a_recovery_meets_an_answer_and_an_arming() {
    model(|| {
        let now = Instant::now();
        let bell = std::sync::Arc::new(Bell::default());
        let mut watcher = Watcher::new(std::sync::Arc::clone(&bell), now);
        assert!(watcher.must_ring(Ok(true), now));
        let watching = thread::spawn(move || {
            watcher.recover(now);
            let rings = watcher.must_ring(Ok(false), now);
            (watcher, rings)
        });
        bell.answer(|| Ok(true));
        bell.arm(|| Ok(())).unwrap();
        let (mut watcher, rings) = watching.join().unwrap();
        if rings {
            bell.answer(|| Ok(true));
            bell.arm(|| Ok(())).unwrap();
        }
        assert!(watcher.must_ring(Ok(true), now));
    });
}
