//! kqueue(2), for events of files.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::event::Timespec;
use rustix::event::kqueue::{Event, EventFilter, EventFlags, VnodeEvents, kevent_timespec};
use rustix::io::{FdFlags, Result, fcntl_setfd};

const NOW: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// Returns a new kqueue, close-on-exec.
pub(crate) fn kqueue() -> Result<OwnedFd> {
    let queue = rustix::event::kqueue::kqueue()?;
    fcntl_setfd(&queue, FdFlags::CLOEXEC)?;
    Ok(queue)
}

/// Has the kqueue report these events of `file`, until that is closed.
pub(crate) fn watch_vnode(queue: &OwnedFd, file: &std::fs::File, events: VnodeEvents) -> Result<()> {
    let filter = EventFilter::Vnode { vnode: file.as_raw_fd(), flags: events };
    let change = Event::new(filter, EventFlags::ADD | EventFlags::CLEAR, ptr::null_mut());
    let mut none: [MaybeUninit<Event>; 0] = [];
    // SAFETY: the descriptor is open for the call; closing it later takes the event out.
    unsafe { kevent_timespec(queue, &[change], &mut none, Some(&NOW)) }.map(|_| ())
}

/// Returns the descriptor of a file of which an event is pending.
pub(crate) fn changed_vnode(queue: &OwnedFd) -> Result<Option<RawFd>> {
    let mut events = [MaybeUninit::uninit()];
    // SAFETY: nothing is registered.
    let (taken, _) = unsafe { kevent_timespec(queue, &[], &mut events, Some(&NOW)) }?;
    Ok(taken.first().and_then(|event| match event.filter() {
        EventFilter::Vnode { vnode, .. } => Some(vnode),
        _ => None,
    }))
}
