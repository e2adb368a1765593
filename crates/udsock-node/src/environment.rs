//! What belongs to one JavaScript environment. It lives on that environment's thread alone.

use crate::contain::contain;
use crate::control::Requests;
use crate::doorbell::Doorbell;
use crate::libuv::PollHandle;
use crate::memory::Memory;
use std::cell::RefCell;
use std::rc::Rc;
use udsock_reactor::{Errno, Reactor, panics};

/// How JavaScript learns that the reactor has something to say.
pub(crate) enum Waker {
    Libuv(PollHandle),
    Doorbell(Doorbell),
}

/// The state that an open environment has, and a closed one has not.
pub(crate) struct Open {
    pub(crate) reactor: Reactor,
    pub(crate) waker: Waker,
    pub(crate) requests: Requests,
    pub(crate) memory: Memory,
}

/// Shared by everything that JavaScript can call: a call that comes after the clean-up finds it closed.
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
    /// ECANCELED when the environment is going away; EBUSY from inside another call, which no export makes possible; PANICKED.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut Open) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut open = self.open.try_borrow_mut().map_err(|_| Errno::BUSY)?;
        let open = open.as_mut().ok_or(Errno::CANCELED)?;
        contain(|| work(open))?
    }

    /// Stops everything that could call in, waits until nothing can, and only then lets go.
    pub(crate) fn close(&self) {
        let Some(Open { reactor, waker, requests, memory }) = self.open.borrow_mut().take() else {
            return;
        };
        // After a panic, too, the rest has to stop: a handle that stays open ends the process with the environment.
        let _ = contain(|| {
            panics::reach("cleanup");
            drop(requests);
        });
        let _ = contain(|| match waker {
            Waker::Libuv(handle) => handle.close(reactor),
            Waker::Doorbell(doorbell) => {
                doorbell.close();
                drop(reactor);
            }
        });
        // SAFETY: the clean-up hook runs on the environment's thread, before Node-API lets go of it.
        unsafe { memory.release() };
    }
}
