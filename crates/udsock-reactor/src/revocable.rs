//! A value that several threads use until its owner takes it away.

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// A value for any thread until it is revoked. From the return of [`revoke`](Revocable::revoke) on, no thread uses it.
#[derive(Debug)]
pub struct Revocable<T>(Mutex<Option<T>>);

impl<T> Revocable<T> {
    /// Makes a value that may be used from now on.
    pub fn new(value: T) -> Self {
        Revocable(Mutex::new(Some(value)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        // Every user leaves the value whole wherever it could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Uses the value exclusively; `None` when it was revoked. `work` must not call this value's methods.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.lock().as_mut().map(work)
    }

    /// Waits until no thread uses the value, and returns it; `None` when it was revoked before.
    pub fn revoke(&self) -> Option<T> {
        self.lock().take()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_usable_until_it_is_revoked() {
        let value = Revocable::new(1);
        assert_eq!(value.with(|number| std::mem::replace(number, 2)), Some(1));
        assert_eq!(value.revoke(), Some(2));
        assert_eq!(value.with(|number| *number), None);
        assert_eq!(value.revoke(), None);
    }
}
