//! The state of one JavaScript environment. It lives on that environment's thread alone.
//!
//! What must always hold: the state is borrowed while no JavaScript runs, never across a call into it; and once the environment
//! has closed, nothing calls in and every call finds it closed.

use crate::doorbell::Doorbell;
use crate::libuv::PollHandle;
use crate::mailbox::ReactorMailbox;
use crate::memory::Memory;
use std::cell::RefCell;
use std::rc::Rc;
use udsock::control::Requests;
use udsock::panics::{self, catch_panic};
use udsock_reactor::{Errno, PANICKED, Reactor};

/// Calls the engine when the reactor has to be polled.
pub(crate) enum Waker {
    Libuv(PollHandle),
    Doorbell(Doorbell),
}

/// The state of an open environment.
pub(crate) struct Open {
    pub(crate) reactor: Reactor,
    pub(crate) waker: Waker,
    pub(crate) requests: Requests<ReactorMailbox>,
    pub(crate) memory: Memory,
}

/// An environment, open or closed. Each function that JavaScript can call has a count of it.
pub(crate) struct Environment {
    open: RefCell<Option<Open>>,
}

impl Environment {
    pub(crate) fn new(open: Open) -> Rc<Environment> {
        Rc::new(Environment { open: RefCell::new(Some(open)) })
    }

    /// Runs `work` on the open state.
    ///
    /// # Errors
    ///
    /// ECANCELED after the environment has closed; EBUSY inside another call, which no export makes possible; [`PANICKED`].
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut open = self.open.try_borrow_mut().map_err(|_| Errno::BUSY)?;
        let open = open.as_mut().ok_or(Errno::CANCELED)?;
        catch_panic(|| work(open)).map_err(|_| PANICKED)?
    }

    /// Closes the environment: stops everything that could call in, waits until nothing can, and only then frees the state.
    pub(crate) fn close(&self) {
        let Some(Open { reactor, waker, requests, memory }) = self.open.borrow_mut().take() else {
            return;
        };
        // The rest has to stop after a panic, too: a handle that stays open aborts the process with the environment.
        let _ = catch_panic(|| {
            panics::reach("cleanup");
            drop(requests);
        });
        let _ = catch_panic(|| match waker {
            Waker::Libuv(handle) => handle.close(reactor),
            Waker::Doorbell(doorbell) => {
                doorbell.close();
                drop(reactor);
            }
        });
        // SAFETY: the clean-up hook runs on the environment's thread, before Node-API frees it.
        unsafe { memory.release() };
    }
}
