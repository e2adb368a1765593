//! Panics on demand. With the feature `panics`, which no release has, a test names a place and the code panics there;
//! without it nothing of this is compiled in.

/// Panics if a test wants that here.
#[cfg(not(feature = "panics"))]
#[inline(always)]
pub fn reach(_place: &str) {}

#[cfg(feature = "panics")]
pub use on_demand::{reach, want, wanted};

#[cfg(feature = "panics")]
mod on_demand {
    use std::panic::resume_unwind;
    use std::sync::{Mutex, PoisonError};

    struct Wish {
        place: String,
        times: u32,
    }

    static WISH: Mutex<Option<Wish>> = Mutex::new(None);

    /// Has the next `times` calls of [`reach`] with `place` panic; the wish before is forgotten.
    pub fn want(place: String, times: u32) {
        *WISH.lock().unwrap_or_else(PoisonError::into_inner) = Some(Wish { place, times });
    }

    /// How many panics are still to come.
    pub fn wanted() -> u32 {
        WISH.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |wish| wish.times)
    }

    fn is_wanted(place: &str) -> bool {
        match WISH.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(wish) if wish.place == place && wish.times > 0 => {
                wish.times -= 1;
                true
            }
            _ => false,
        }
    }

    /// Panics if a test wants that here; without a word on the standard error, which real ones have.
    pub fn reach(place: &str) {
        if is_wanted(place) {
            resume_unwind(Box::new("a test wants this panic"));
        }
    }
}
